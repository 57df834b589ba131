/* Runs a fuzz target over its corpus, corpus/<what>/ beside this file, or over given files. Prints TAP. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run_file(const char *path, size_t number)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    size_t length = 0, room = 0;
    if (!file) {
        perror(path);
        exit(1);
    }
    do {
        room += 65536;
        bytes = realloc(bytes, room);
        if (!bytes)
            abort();
        length += fread(bytes + length, 1, room - length, file);
    } while (length == room);
    fclose(file);
    /* Exactly as large as the input: reading past it is an error that ASan and valgrind see. */
    uint8_t *input = malloc(length ? length : 1);
    if (!input)
        abort();
    memcpy(input, bytes, length);
    free(bytes);
    LLVMFuzzerTestOneInput(input, length);
    free(input);
    printf("ok %zu - %s\n", number, path);
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static size_t run_corpus(const char *what)
{
    char folder[256], path[1024];
    struct dirent **entries;
    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", what);
    int count = scandir(folder, &entries, is_file, alphasort);
    if (count < 0) {
        perror(folder);
        exit(1);
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        run_file(path, (size_t)i + 1);
        free(entries[i]);
    }
    free(entries);
    return (size_t)count;
}

int main(int argc, char **argv)
{
    const char *what = strstr(argv[0], "fuzz-");
    size_t count = (size_t)argc - 1;
    for (int i = 1; i < argc; i++)
        run_file(argv[i], (size_t)i);
    if (argc == 1 && what)
        count = run_corpus(what + strlen("fuzz-"));
    printf("1..%zu\n", count);
    return count ? 0 : 1;
}
