/*
 * Fuzz targets: fuzz-<what>.c defines this one function. `make fuzz` links it with libFuzzer; otherwise
 * fuzz.c runs it over corpus/<what>/, so that what was found once is tried in every test run.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
