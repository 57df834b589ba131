/* Each way to push, cut short at each of its system calls by death and by errors (crash.h). */
#include "crash.h"

int main(void)
{
    return crash_run(crash_cut_short, changes_by_push, NULL);
}
