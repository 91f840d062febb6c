/*
 * replay.c - the main() of a fuzz target in an ordinary build: calls it once for each file that is named, or that is in a folder that is named. Prints how many
 * there were; exit code 2 when there was none.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { FILE_MAX_BYTES = 1 << 20, PATH_MAX_BYTES = 4096 };

static int replayed;

static void replay_file(const char *path)
{
  char *bytes = malloc(FILE_MAX_BYTES);
  FILE *file = fopen(path, "rb");
  size_t size;
  char *exact;

  if (bytes == NULL || file == NULL) {
    (void)fprintf(stderr, "could not read %s\n", path);
    exit(2);
  }
  size = fread(bytes, 1, FILE_MAX_BYTES, file);
  (void)fclose(file);
  exact = fuzz_exact_copy(span_of(bytes, size));
  free(bytes);
  (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
  free(exact);
  replayed++;
}

static void replay(const char *path)
{
  struct stat status;
  struct dirent **entries;
  int count;

  if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
    replay_file(path);
    return;
  }
  count = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    char inside[PATH_MAX_BYTES];

    if (entries[i]->d_name[0] != '.') {
      (void)snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
      replay_file(inside);
    }
    free(entries[i]);
  }
  if (count >= 0) {
    free(entries);
  }
}

int main(int argc, char **argv)
{
  for (int i = 1; i < argc; i++) {
    replay(argv[i]);
  }
  printf("%d inputs\n", replayed);
  return replayed > 0 ? 0 : 2;
}
