/* memory_guard.h - keeps the secrets in a process's memory from others on the machine. */
#ifndef MEMORY_GUARD_H
#define MEMORY_GUARD_H

/* No core dump, and no ptrace by the same user. For the whole process, first of all in main(). */
void memory_guard_set(void);

#endif
