/* SPDX-License-Identifier: Apache-2.0 */
/* Gives every file of the folders or files that are named to a fuzz target, each in memory of its
 * own size. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static int n_run;

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *p;

    FUZZ_CHECK(f && fstat(fileno(f), &st) == 0, "%s cannot be read", path);
    p = malloc((size_t)st.st_size + (st.st_size == 0));
    FUZZ_CHECK(p && fread(p, 1, (size_t)st.st_size, f) == (size_t)st.st_size, "%s", path);
    fclose(f);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(p, (size_t)st.st_size);
    free(p);
    n_run++;
}

static void run_path(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char inner[4096];

    if (!d) {
        run_file(path);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
        run_file(inner);
    }
    closedir(d);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    FUZZ_CHECK(n_run > 0, "there is nothing to run");
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("%d inputs\n", n_run);
    return 0;
}
