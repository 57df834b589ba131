/*
 * Clocks.
 */
#ifndef STL_CLOCK_H
#define STL_CLOCK_H

/* Seconds, of a clock that only goes forward: for measuring and waiting. */
double stl_monotonic(void);

#endif
