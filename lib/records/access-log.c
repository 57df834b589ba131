#include "access-log.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "mem.h"
#include "name.h"
#include "percent.h"

enum { LINE_SIZE = 64 << 10, CHUNK = 64 << 10, TIME_LENGTH = sizeof "[29/Nov/2026:05:53:58 +0000] " - 1 };

/* --- a line --------------------------------------------------------------------------------------------- */

/* The first quotation mark that is not escaped, or NULL. */
static char *find_quote(char *text)
{
    for (; *text && *text != '"'; text++)
        if (*text == '\\' && text[1])
            text++;
    return *text ? text : NULL;
}

/* "[29/Nov/2026:05:53:58 +0000] ". Months are in English, whatever the server's language is. */
static bool parse_time(const char *text, int64_t *time)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    char month[4], sign;
    int hours, minutes, end = 0;
    if (sscanf(text, "[%2d/%3[A-Za-z]/%4d:%2d:%2d:%2d %c%2d%2d] %n", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &sign, &hours, &minutes, &end) != 9 ||
        end != TIME_LENGTH || (sign != '+' && sign != '-') || tm.tm_year < 1970)
        return false;
    const char *found = strstr(months, month);
    if (!found || (found - months) % 3)
        return false;
    tm.tm_mon = (int)(found - months) / 3;
    tm.tm_year -= 1900;
    int64_t offset = hours * 3600 + minutes * 60;
    *time = timegm(&tm) - (sign == '-' ? -offset : offset);
    return *time >= 0;
}

static bool is_address(const char *text)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* "[HOST[:PORT] ]ADDRESS IDENT USER ": a user may hold spaces. */
static void read_who(char *text, struct stl_record *record)
{
    char *first = strsep(&text, " "), *second = text ? strsep(&text, " ") : NULL;
    record->address = first;
    if (second && !is_address(first) && is_address(second)) {
        record->address = second;
        second = text ? strsep(&text, " ") : NULL;
    }
    size_t length = second && text ? strlen(text) : 0;
    if (length && text[length - 1] == ' ')
        text[--length] = '\0';
    if (length && strcmp(text, "-"))
        record->user = text;
}

/* "/v2/NAME/manifests/REFERENCE" */
static bool read_target(char *target, struct stl_record *record)
{
    static const char begin[] = "/v2/", middle[] = "/manifests/";
    struct stl_error ignored = STL_ERROR_INIT;
    struct stl_name name;
    struct stl_reference reference;
    target[strcspn(target, "?#")] = '\0';
    if (strncmp(target, begin, strlen(begin)) || !stl_percent_decode(target, '\0'))
        return false;
    char *slash = strrchr(target, '/');
    if (slash - target < (ptrdiff_t)(sizeof middle - 2 + sizeof begin - 1) ||
        strncmp(slash - (sizeof middle - 2), middle, sizeof middle - 2))
        return false;
    slash[-(ptrdiff_t)(sizeof middle - 2)] = '\0';
    record->repository = target + strlen(begin);
    *(slash[1] && strchr(slash + 1, ':') ? &record->digest : &record->tag) = slash + 1;
    return stl_name_parse(record->repository, &name, &ignored) == 0 &&
           stl_reference_parse(slash + 1, &reference, &ignored) == 0;
}

/* What follows: "STATUS SIZE", and in the combined format "REFERER" "AGENT". Returns the status or 0. */
static int read_answer(char *rest, struct stl_record *record)
{
    char *end;
    long status = *rest == ' ' && isdigit((unsigned char)rest[1]) ? strtol(rest + 1, &end, 10) : 0;
    if (status < 100 || status > 999 || (*end != ' ' && *end != '\0'))
        return 0;
    char *quotes[4] = {NULL};
    for (size_t i = 0; i < 4 && (quotes[i] = find_quote(i ? quotes[i - 1] + 1 : end)); i++)
        ;
    if (quotes[3]) {
        *quotes[3] = '\0';
        record->agent = quotes[2] + 1;
    }
    return (int)status;
}

enum stl_access_line stl_access_log_parse(char *line, struct stl_record *record)
{
    *record = (struct stl_record){.action = "pull"};
    char *begin = find_quote(line), *end = begin ? find_quote(begin + 1) : NULL;
    if (!end || begin - line < TIME_LENGTH || !parse_time(begin - TIME_LENGTH, &record->time))
        return STL_LINE_FOREIGN;
    begin[-TIME_LENGTH] = *end = '\0';
    record->status = read_answer(end + 1, record);
    if (!record->status)
        return STL_LINE_FOREIGN;
    char *request = begin + 1, *method = strsep(&request, " "),
         *target = request ? strsep(&request, " ") : NULL;
    if (!request || strchr(request, ' ') || (strcmp(method, "GET") && strcmp(method, "HEAD")) ||
        (record->status != 200 && record->status != 304) || !read_target(target, record))
        return STL_LINE_OTHER;
    read_who(line, record);
    return STL_LINE_PULL;
}

/* --- a file --------------------------------------------------------------------------------------------- */

static int visit_line(char *line, stl_record_visit *visit, void *context, struct stl_access_log_seen *seen,
                      struct stl_error *err)
{
    struct stl_record record;
    enum stl_access_line kind = stl_access_log_parse(line, &record);
    if (kind == STL_LINE_FOREIGN) {
        seen->foreign += *line != '\0';
        return 0;
    }
    seen->answers[record.status]++;
    if (!seen->first || record.time < seen->first)
        seen->first = record.time;
    if (record.time > seen->last)
        seen->last = record.time;
    return kind == STL_LINE_PULL ? visit(context, &record, err) : 0;
}

struct lines {
    stl_record_visit *visit;
    void *context;
    struct stl_access_log_seen *seen;
    struct stl_buf line; /* what has been read of it */
    bool too_long;
};

/* The line is complete. */
static int end_line(struct lines *lines, struct stl_error *err)
{
    int result = 0;
    if (lines->too_long)
        lines->seen->foreign++;
    else if (lines->line.length)
        result = visit_line(lines->line.data, lines->visit, lines->context, lines->seen, err);
    lines->line.length = 0;
    lines->too_long = false;
    return result;
}

static int take_chunk(struct lines *lines, const char *chunk, size_t length, struct stl_error *err)
{
    int result = 0;
    for (size_t part; length && result == 0; chunk += part, length -= part) {
        const char *newline = memchr(chunk, '\n', length);
        part = newline ? (size_t)(newline - chunk) + 1 : length;
        lines->too_long |= stl_buf_add(&lines->line, chunk, part - (newline != NULL)) != 0;
        if (newline)
            result = end_line(lines, err);
    }
    return result;
}

static int read_lines(gzFile file, const char *name, struct lines *lines, struct stl_error *err)
{
    STL_AUTO_FREE char *chunk = stl_alloc(CHUNK);
    int result = 0, why = Z_OK, n = 0;
    while (result == 0 && (n = gzread(file, chunk, CHUNK)) > 0)
        result = take_chunk(lines, chunk, (size_t)n, err);
    const char *message = gzerror(file, &why);
    if (result == 0 && why != Z_OK)
        return stl_error_set(err, STL_DAMAGED, "cannot read %s: %s", name,
                             why == Z_BUF_ERROR ? "it ends in the middle" : message);
    return result ? result : end_line(lines, err);
}

int stl_access_log_each(int fd, const char *name, stl_record_visit *visit, void *context,
                        struct stl_access_log_seen *seen, struct stl_error *err)
{
    int copy = dup(fd);
    gzFile file = copy < 0 ? NULL : gzdopen(copy, "rb");
    if (!file) {
        stl_error_errno(err, "cannot read %s", name);
        stl_close_fd(&copy);
        return -1;
    }
    struct lines lines = {visit, context, seen, {.ceiling = LINE_SIZE}, false};
    int result = read_lines(file, name, &lines, err);
    stl_buf_clear(&lines.line);
    gzclose(file);
    return result;
}
