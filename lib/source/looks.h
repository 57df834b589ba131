/*
 * Recognises files that are not sources of images, for messages: people who give the wrong file should learn
 * which one is right. Only lib/source uses this.
 */
#ifndef STL_LOOKS_H
#define STL_LOOKS_H

/* Says what a file that is not an archive looks like, and what to do; NULL if nothing is recognised. */
const char *stl_looks_like_file(int fd);
#endif
