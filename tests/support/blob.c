/* blob LAYOUT ALGORITHM MEDIATYPE: stores standard input as a blob of an image layout and prints its
 * descriptor, in one line. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST)
        die(path);
}

/* Returns the number of bytes. */
static size_t copy(EVP_MD_CTX *hash, const char *path)
{
    static char bytes[1 << 16];
    ssize_t length;
    size_t size = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0)
        die(path);
    while ((length = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        EVP_DigestUpdate(hash, bytes, (size_t)length);
        if (write(fd, bytes, (size_t)length) != length)
            die(path);
        size += (size_t)length;
    }
    if (length < 0 || close(fd))
        die(path);
    return size;
}

int main(int argc, char **argv)
{
    enum { PATH = 4096 };
    char folder[PATH], temporary[PATH], path[PATH], hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (argc != 4 || !EVP_DigestInit_ex(hash, EVP_get_digestbyname(argv[2]), NULL))
        return 2;
    snprintf(temporary, sizeof temporary, "%s/.blob.%d", argv[1], (int)getpid());
    size_t size = copy(hash, temporary);
    EVP_DigestFinal_ex(hash, sum, &length);
    for (unsigned i = 0; i < length; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    snprintf(folder, sizeof folder, "%s/blobs/%s", argv[1], argv[2]);
    if (snprintf(path, sizeof path, "%s/%s", folder, hex) >= PATH)
        return 2;
    make_folder(folder);
    if (rename(temporary, path))
        die(path);
    printf("{\"mediaType\":\"%s\",\"digest\":\"%s:%s\",\"size\":%zu}\n", argv[3], argv[2], hex, size);
    EVP_MD_CTX_free(hash);
    return 0;
}
