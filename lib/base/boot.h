/*
 * Identifies the current boot of the system.
 *
 * What a process wrote but did not sync survives the death of the process, but perhaps not that of the
 * machine. So the state of unfinished work is saved together with the identity of the boot, and trusted only
 * during the same boot.
 */
#ifndef STL_BOOT_H
#define STL_BOOT_H

enum { STL_BOOT_ID_SIZE = 40 };

#define STL_BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

/* All zeros if the system does not provide one. */
void stl_boot_id(char id[STL_BOOT_ID_SIZE]);

#endif
