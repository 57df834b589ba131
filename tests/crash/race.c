#include "race.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TURNS_MAX = 1000, FDS = 256 };

/* What a process says when its turn is over. */
struct word {
    enum { STOPPED, BLOCKED, ENDED } what;
    struct race_end end;
    char point[64];
};

/* --- within a process that runs ------------------------------------------------------------------------- */

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left);

static int judge = -1;  /* to whoever gives the turns; -1: this is no race */
static int points_left; /* until it stops; 0: it does not */
static bool every_call, lock_passed;
static bool refused[FDS]; /* descriptors whose lock has been refused once */

static void say(struct word word)
{
    char go;
    if (write(judge, &word, sizeof word) != sizeof word || (word.what != ENDED && read(judge, &go, 1) != 1))
        _exit(1);
}

static void pass_point(const char *name)
{
    struct word word = {.what = STOPPED};
    if (points_left == 0 || --points_left > 0)
        return;
    snprintf(word.point, sizeof word.point, "%s", name);
    say(word);
}

static void before_call(void)
{
    if (lock_passed || every_call)
        pass_point("before a change");
    lock_passed = false;
}

/* Who does not want to wait is refused at first, and then waits, since it would only ask again. */
int __wrap_flock(int fd, int operation)
{
    struct stat st;
    if (fstat(fd, &st) || S_ISDIR(st.st_mode)) { /* would not reach other machines on a shared file system */
        fputs("# a lock on a folder\n", stderr);
        _exit(1);
    }
    if (judge < 0 || operation == LOCK_UN)
        return __real_flock(fd, operation);
    bool patient = operation & LOCK_NB, exclusive = operation & LOCK_EX;
    pass_point(exclusive ? "before an exclusive lock" : "before a shared lock");
    while (__real_flock(fd, operation | LOCK_NB)) {
        if (errno != EWOULDBLOCK)
            return -1;
        if (patient && fd < FDS && !refused[fd]) {
            refused[fd] = true;
            return -1;
        }
        say((struct word){.what = BLOCKED});
        if (patient && __real_flock(fd, operation))
            return -1;
        if (patient)
            break;
    }
    lock_passed = true;
    pass_point(exclusive ? "with an exclusive lock" : "with a shared lock");
    return 0;
}

int __wrap_nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)wanted;
    (void)left;
    return 0;
}

static void run(struct unit *unit, race_deed *deed)
{
    struct stl_error error = STL_ERROR_INIT;
    struct word word = {.what = ENDED};
    char go;
    if (read(judge, &go, 1) != 1)
        _exit(1);
    fault_set_before(before_call);
    if (deed(unit, &error)) {
        word.end.code = error.code;
        snprintf(word.end.message, sizeof word.end.message, "%s", error.message);
    }
    say(word);
    _exit(0);
}

/* --- giving turns --------------------------------------------------------------------------------------- */

struct racer {
    pid_t pid;
    int line;
    struct word last;
};

/* `other`: the line of the other racer, or -1. A line ends when nobody but its racer has it. */
static struct racer start(struct unit *unit, race_deed *deed, int at, bool every, int other)
{
    int pair[2];
    struct racer racer = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    racer.pid = fork();
    assert_true(racer.pid >= 0);
    if (racer.pid == 0) {
        close(pair[0]);
        if (other >= 0)
            close(other);
        judge = pair[1];
        points_left = at;
        every_call = every;
        run(unit, deed);
    }
    close(pair[1]);
    racer.line = pair[0];
    return racer;
}

static void turn(struct racer *racer)
{
    if (racer->last.what == ENDED)
        return;
    assert_int_equal(write(racer->line, "g", 1), 1);
    if (read(racer->line, &racer->last, sizeof racer->last) != sizeof racer->last)
        fail_msg("a process died in a race");
}

static void finish(struct racer *racer)
{
    close(racer->line); /* who still waits for a turn ends */
    assert_int_equal(waitpid(racer->pid, NULL, 0), racer->pid);
}

void race_run(struct unit *unit, race_deed *first, race_deed *second, int at, bool every,
              struct race_end ends[2], struct race_course *course)
{
    struct racer racers[2] = {start(unit, first, at, every, -1)};
    racers[1] = start(unit, second, 0, false, racers[0].line);
    racers[0].last.what = racers[1].last.what = STOPPED;
    int turns = 0;
    turn(&racers[0]);
    *course = (struct race_course){.stopped = racers[0].last.what == STOPPED};
    memcpy(course->point, racers[0].last.point, sizeof course->point);
    turn(&racers[1]);
    course->waited = racers[1].last.what == BLOCKED;
    for (; (racers[0].last.what != ENDED || racers[1].last.what != ENDED) && turns < TURNS_MAX; turns++)
        turn(&racers[turns % 2]);
    course->stuck = turns == TURNS_MAX;
    for (int i = 0; i < 2; i++) {
        ends[i] = racers[i].last.end;
        finish(&racers[i]);
    }
}
