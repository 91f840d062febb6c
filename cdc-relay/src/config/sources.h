/* sources.h - the three places that settings come from, in the order in which they are to be read. Mistakes go to the settings' problems. */
#ifndef CONFIG_SOURCES_H
#define CONFIG_SOURCES_H

#include "config/setting.h"

/* The JSON file. NULL: nothing of it can be used. Else the caller keeps the document until the settings are used up: source_file_free(). */
json_t *source_file_read(struct settings *settings, const char *path);
/* Overwrites every text in the document, then drops it. Takes NULL. */
void source_file_free(json_t *document);

void source_environment_read(struct settings *settings, const char *const *environment);

void source_command_line_read(struct settings *settings, const char *const *sets, size_t count);

#endif
