/* docs/configuration.md is what the tables say. UPDATE_DOCS=1 writes it anew. */
#include "config/kafka_properties.h"
#include "config/options.h"
#include "config_fixture.h"

#define PAGE FIXTURES "/../../docs/configuration.md"

static char *generated(void)
{
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);

  config_write_reference(out);
  cr_assert_eq(fclose(out), 0);
  return text;
}

static char *committed(void)
{
  char *text = NULL;
  size_t size = 0;
  FILE *file = fopen(PAGE, "r");

  cr_assert_not_null(file, "docs/configuration.md is missing");
  cr_assert_gt(getdelim(&text, &size, '\0', file), 0);
  (void)fclose(file);
  return text;
}

Test(config_reference, the_committed_page_is_up_to_date)
{
  char *now = generated(), *page;

  if (getenv("UPDATE_DOCS") != NULL) {
    FILE *file = fopen(PAGE, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(now, file), 0);
    cr_assert_eq(fclose(file), 0);
  }
  page = committed();
  cr_assert(strcmp(now, page) == 0, "docs/configuration.md is out of date: UPDATE_DOCS=1 %s", "test_config_reference");
  free(page);
  free(now);
}

Test(config_reference, the_page_names_everything)
{
  char *now = generated();
  char cell[160];

  cr_assert_not_null(strstr(now, "`CDC_RELAY_CONFIG`"));
  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    (void)snprintf(cell, sizeof(cell), "\n| `%s` | ", scalar_options[i].name);
    cr_assert_not_null(strstr(now, cell), "%s", cell);
  }
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    (void)snprintf(cell, sizeof(cell), "\n| `%s` | ", outbox_options[i].name);
    cr_assert_not_null(strstr(now, cell), "%s", cell);
  }
  for (size_t i = 0; i < KAFKA_PROPERTY_COUNT; i++) {
    (void)snprintf(cell, sizeof(cell), "`%s`", kafka_properties[i].name);
    cr_assert_not_null(strstr(now, cell), "%s", cell);
  }
  free(now);
}

Test(config_reference, every_row_of_a_table_has_its_cells)
{
  char *now = generated();
  size_t cells = 0;

  for (char *line = strtok(now, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    size_t bars = 0;

    for (const char *c = line; line[0] == '|' && *c != '\0'; c++) {
      bars += *c == '|' && (c == line || c[-1] != '\\');
    }
    if (strncmp(line, "|---", 4) == 0) {
      cells = bars;
    } else if (line[0] == '|' && cells > 0) {
      cr_assert_eq(bars, cells, "%s", line);
    } else {
      cells = 0;
    }
  }
  free(now);
}

Test(config_reference, presets_are_values_that_the_option_takes)
{
  struct attempt attempt;

  for (size_t i = 0; i < SCALAR_OPTION_COUNT; i++) {
    char set[160];

    if (scalar_options[i].preset != NULL && (scalar_options[i].flags & OPTION_DERIVED) == 0) {
      (void)snprintf(set, sizeof(set), "%s=%s", scalar_options[i].name, scalar_options[i].preset);
      expect_loads(&attempt, "{" MINIMAL "}", NULL, LIST(set));
      attempt_end(&attempt);
    }
  }
  for (size_t i = 0; i < OUTBOX_OPTION_COUNT; i++) {
    char set[160];

    if (outbox_options[i].preset != NULL && (outbox_options[i].flags & OPTION_DERIVED) == 0) {
      (void)snprintf(set, sizeof(set), "outbox[0].%s=%s", outbox_options[i].name, outbox_options[i].preset);
      expect_loads(&attempt, "{" MINIMAL "}", NULL, LIST(set));
      attempt_end(&attempt);
    }
  }
}
