/*
 * fingerprint DIR: a SHA-256 of everything about a tree that a command which "changes nothing" must not
 * change: names, types, modes, owners, hard links, targets of links, bytes. Left out are locks/ and tmp/,
 * log/last-*, which say when something ran, and _details, which is a history.
 */
#include <fts.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static EVP_MD_CTX *hash;

static void die(const char *path)
{
    perror(path);
    exit(1);
}

static void add_file(const FTSENT *entry)
{
    static char bytes[1 << 16];
    FILE *file = fopen(entry->fts_accpath, "r");
    size_t length;
    if (!file)
        die(entry->fts_path);
    while ((length = fread(bytes, 1, sizeof bytes, file)) > 0)
        EVP_DigestUpdate(hash, bytes, length);
    if (ferror(file))
        die(entry->fts_path);
    fclose(file);
}

static void add_link(const FTSENT *entry)
{
    char target[4096];
    ssize_t length = readlink(entry->fts_accpath, target, sizeof target);
    if (length < 0)
        die(entry->fts_path);
    EVP_DigestUpdate(hash, target, (size_t)length);
}

static bool is_left_out(const char *path, const char *name)
{
    return !strcmp(path, "locks") || !strcmp(path, "tmp") || !strncmp(path, "log/last-", 9) ||
           !strcmp(name, "_details");
}

/* `path` is relative to the top. */
static void add(FTS *tree, FTSENT *entry, const char *path)
{
    const struct stat *st = entry->fts_statp;
    bool file = entry->fts_info == FTS_F;
    char head[128];
    int length =
        snprintf(head, sizeof head, "%o %u:%u %lu %lld", (unsigned)st->st_mode, st->st_uid, st->st_gid,
                 file ? (unsigned long)st->st_nlink : 0, file ? (long long)st->st_size : 0);
    if (is_left_out(path, entry->fts_name)) {
        fts_set(tree, entry, FTS_SKIP);
        return;
    }
    EVP_DigestUpdate(hash, path, strlen(path) + 1);
    EVP_DigestUpdate(hash, head, (size_t)length + 1);
    if (file)
        add_file(entry);
    else if (entry->fts_info == FTS_SL)
        add_link(entry);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int main(int argc, char **argv)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length;
    FTSENT *entry;
    if (argc != 2)
        return 2;
    FTS *tree = fts_open((char *[]){argv[1], NULL}, FTS_PHYSICAL, by_name);
    hash = EVP_MD_CTX_new();
    if (!tree || !hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL))
        die(argv[1]);
    while ((entry = fts_read(tree))) {
        const char *path = entry->fts_path + strlen(argv[1]);
        if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)
            die(entry->fts_path);
        if (entry->fts_info != FTS_DP)
            add(tree, entry, path + (*path == '/'));
    }
    EVP_DigestFinal_ex(hash, sum, &length);
    for (unsigned i = 0; i < length; i++)
        printf("%02x", sum[i]);
    putchar('\n');
    EVP_MD_CTX_free(hash);
    fts_close(tree);
    return 0;
}
