#include "record.h"

static bool chooses(const struct stl_words *patterns, const char *text)
{
    return !patterns->count || (text && stl_words_match(patterns, text));
}

bool stl_record_wanted(const struct stl_record_filter *filter, const struct stl_record *record)
{
    return record->time >= filter->since && record->time < filter->until &&
           chooses(&filter->repositories, record->repository) && chooses(&filter->actions, record->action) &&
           chooses(&filter->users, record->user);
}

void stl_record_filter_clear(struct stl_record_filter *filter)
{
    stl_words_clear(&filter->repositories);
    stl_words_clear(&filter->actions);
    stl_words_clear(&filter->users);
}
