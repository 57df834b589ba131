/* Changes of what a registry holds, cut short at each of their system calls by death and by errors (crash.h).
 */
#include "crash.h"

int main(void)
{
    return crash_run(crash_cut_short, changes_of_content, changes_in_projects, NULL);
}
