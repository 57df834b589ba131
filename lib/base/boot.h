/*
 * Which run of the system this is.
 *
 * What a process wrote but did not sync is still there after the process was killed, but perhaps not after
 * the machine was. So the state of unfinished work is saved with the identity of the run, and trusted only in
 * the same one.
 */
#ifndef STL_BOOT_H
#define STL_BOOT_H

enum { STL_BOOT_ID_SIZE = 40 };

#define STL_BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* All zeros where the system does not tell. */
void stl_boot_id(char id[STL_BOOT_ID_SIZE]);

#endif
