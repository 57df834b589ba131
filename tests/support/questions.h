/*
 * Questions that a test asks of a program which stays, since starting a program takes 10 to 40 ms on some
 * machines, and the tests ask ten thousand times. From standard input comes a count and so many words, all
 * ended by NUL.
 */
#ifndef QUESTIONS_H
#define QUESTIONS_H

#include <stdio.h>

struct question {
    char **words;
    int count;
};

/* Returns 0 at the end. The words are the caller's until question_clear(). */
int question_read(struct question *question);
void question_clear(struct question *question);

/* These end the program when something fails. */
_Noreturn void die(const char *what);
FILE *open_or_die(const char *path, const char *mode);

/* The code of the first error, if the file is a body of errors as distribution-spec, "Error Codes", has them:
 * JSON, an array that is not empty, codes of capitals and underscores, and a message. Otherwise "". The text
 * lasts until the next call. */
const char *error_code_in(const char *path);

#endif
