/*
 * fuzz_config.c - the configuration: file, environment and --set (loaded.h), with the router's own checks. What loads must print as JSON, and without its password.
 * Secret files are files of the machine that this runs on, and only read.
 */
#include <jansson.h>

#include "loaded.h"

/* A password that no text of a corpus holds by itself: where it is printed, masking failed. */
#define PASSWORD "pass-3f9c1e-word"

static void expect_printable(const struct config *config)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  json_error_t error;
  json_t *json;

  FUZZ_EXPECT(out != NULL);
  config_print(config, out);
  (void)fclose(out);
  json = json_loadb(text, length, JSON_ALLOW_NUL, &error);
  FUZZ_EXPECT(json != NULL);
  if (config->postgres.password != NULL && strcmp(config->postgres.password, PASSWORD) == 0) {
    FUZZ_EXPECT(strstr(text, PASSWORD) == NULL);
  }
  json_decref(json);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct span rest = span_of((const char *)data, size);
  struct span file = loaded_part(&rest);
  struct span environment = loaded_part(&rest);
  struct span sets = loaded_part(&rest);
  struct problem_list *problems = calloc(1, sizeof(*problems));
  struct config *config;

  FUZZ_EXPECT(problems != NULL);
  config = loaded_config(file, environment, sets, problems);
  if (config != NULL) {
    struct problem problem;
    bool has_changed;
    char *masked = config_mask_url(config->postgres.url);

    expect_printable(config);
    FUZZ_EXPECT(masked != NULL);
    free(masked);
    (void)!config_reload_secrets(config, &has_changed, &problem);
    config_free(config);
  }
  free(problems);
  return 0;
}
