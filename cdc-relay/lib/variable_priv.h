/* variable_priv.h - what reading and printing of variables share; for variable*.c alone. */
#ifndef VARIABLE_PRIV_H
#define VARIABLE_PRIV_H

#include "variable.h"

enum { VARIABLE_FILE_NAME_SIZE = 128 };

bool variable_is_secret(const struct variable *variable);
/* NULL where it is not set, or empty. */
const char *variable_environment(const char *name);
/* What NAME_FILE says, which is written to `ret_name`; NULL where it is not set, or does not count. */
const char *variable_file(const struct variable *variable, char ret_name[VARIABLE_FILE_NAME_SIZE]);
/* `debug, info or warn` */
void variable_list_choices(const struct variable *variable, char *ret_text, size_t size);
/* Reads one. */
void variable_read(const struct variable *variable, struct problem_list *problems);
/* Notes the variables of the environment that begin as ours do, and are none. */
void variables_find_strangers(const struct variable *table, struct problem_list *problems);

#endif
