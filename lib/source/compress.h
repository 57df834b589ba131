/*
 * Compression of a stream with all cores: gzip and zstd.
 *
 * The stream is cut into blocks that are compressed independently, so the output depends on the input only,
 * never on the number of threads or on their timing. Memory is bounded: blocks are small, and only as many of
 * them are in flight as fit into 16 MiB.
 *
 * gzip: one member; level 6; no name and no time in its header; each block except the last ends on a byte
 * boundary and uses the last 32 KiB of the block before it as its dictionary. zstd: one frame for each block;
 * level 3.
 */
#ifndef STL_COMPRESS_H
#define STL_COMPRESS_H

#include <stddef.h>
#include <sys/types.h>

#include "stream.h"

enum stl_compression { STL_COMPRESS_GZIP, STL_COMPRESS_ZSTD, STL_COMPRESS_NONE };

/* "gzip", "zstd" or "none". Fails with STL_USAGE. */
int stl_compression_parse(const char *name, enum stl_compression *compression, struct stl_error *err);

/* Compresses a stream and passes the output to `write`; both are called only in the calling thread, which is
 * counted in `threads`. */
int stl_compress(enum stl_compression how, size_t threads, const struct stl_stream *from,
                 stl_stream_write *write, void *context, struct stl_error *err);

#endif
