/*
 * replay.c - run a fuzz target over the files of a directory, without libFuzzer.
 *
 * The corpora are part of the ordinary tests this way: an input that once broke a parser stays
 * fixed.  No input at all is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *dir, const char *name)
{
    char path[4096];
    uint8_t *data = NULL;
    FILE *file = NULL;
    long len;
    int r = -1;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        goto out;
    file = fopen(path, "rbe");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) < 0 ||
        fseek(file, 0, SEEK_SET) != 0)
        goto out;
    data = malloc(len > 0 ? (size_t)len : 1); /* exact, so that ASan sees reads past the end */
    if (data == NULL || fread(data, 1, (size_t)len, file) != (size_t)len)
        goto out;
    (void)LLVMFuzzerTestOneInput(data, (size_t)len);
    r = 0;
out:
    if (r != 0)
        (void)fprintf(stderr, "replay: cannot read '%s'\n", path);
    free(data);
    if (file != NULL)
        (void)fclose(file);
    return r;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    DIR *dir;
    int count = 0;

    if (argc != 2 || (dir = opendir(argv[1])) == NULL) {
        (void)fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe): one thread */
        if (entry->d_name[0] == '.')
            continue;
        if (replay_file(argv[1], entry->d_name) != 0)
            return 1;
        count++;
    }
    (void)closedir(dir);
    (void)printf("%d inputs replayed from %s\n", count, argv[1]);
    return count > 0 ? 0 : 1;
}
