#!/bin/bash
# What the compiler and the linker were told to do against faults of memory is in the programs that came out.
. "$(dirname "$0")/../lib.sh"
have readelf || skip_all 'readelf is not installed'
BUILD=$(dirname "$STILLAGE")
[ -e "$BUILD/libstillage.a" ] || skip_all 'the programs were built elsewhere'
[ -z "${SANITIZED:-}" ] || skip_all 'built with sanitizers, which have ways of their own'

for program in "$STILLAGE" "$STILLAGE_CGI"; do
    name=$(basename "$program")
    elf=$(readelf -W -h -l -d "$program")
    like "$elf" 'Type: +DYN' "$name can be loaded anywhere"
    like "$elf" 'FLAGS_1[^'$'\n'']* PIE' "$name is no library"
    like "$elf" 'GNU_RELRO' "$name: what is only written at the start is read-only"
    like "$elf" 'FLAGS_1[^'$'\n'']* NOW' "$name: all of it"
    like "$elf" 'GNU_STACK .* RW +0x' "$name: the stack is not executable"
    unlike "$elf" 'LOAD [^'$'\n'']* RWE ' "$name: nothing is both writable and executable"
    unlike "$elf" 'TEXTREL|RPATH|RUNPATH' "$name: its code is not changed, and its libraries are the system's"
done

# A statically linked program has these names from libc in any case: the parts tell.
for part in "$BUILD/libstillage.a" "$BUILD/cgi" "$BUILD/cmd"; do
    names=$(find "$part" -name '*.[ao]' -exec nm -u {} + 2>/dev/null)
    like "$names" '__stack_chk_fail' "$(basename "$part"): overrun stacks are noticed (-fstack-protector-strong)"
    like "$names" '__(snprintf|fprintf|printf|memcpy|read)_chk' "$(basename "$part"): overrun objects are noticed (_FORTIFY_SOURCE)"
done
done_testing
