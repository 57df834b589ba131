/* Reads what is to be imported, and copies it. */
#include "import-run.h"

#include "import.h"
#include "volume.h"

void stl_import_progress(void *context, uint64_t bytes)
{
    struct import *import = context;
    if (!import->options->progress)
        return;
    pthread_mutex_lock(&import->mutex);
    import->done += bytes;
    import->options->progress(import->options->progress_context, import->done, import->total);
    pthread_mutex_unlock(&import->mutex);
}

ssize_t stl_import_read(void *context, void *bytes, size_t length, struct stl_error *err)
{
    struct import_reader *reader = context;
    ssize_t n = reader->stream ? stl_volume_read(reader->stream, bytes, length, err)
                               : stl_extent_read(&reader->extent, reader->position, bytes, length, err);
    reader->position += n > 0 ? n : 0;
    return n;
}

int stl_import_copy(struct stl_copy *copy, const struct stl_digest *digest, struct import_reader *reader,
                    struct stl_error *err)
{
    int64_t left = reader->size - reader->position;
    const struct stl_stream from = {stl_import_read, reader};
    struct stl_digest actual;
    if (reader->stream ? stl_copy_ahead(copy, left, &from, err) : stl_copy_all(copy, left, &from, err))
        return -1;
    stl_copy_end(copy, &actual);
    return stl_digest_equal(&actual, digest)
               ? 0
               : stl_error_set(err, STL_DIGEST_INVALID, "its content has another digest");
}
