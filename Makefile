# stillage: `make` builds build/stillage and build/stillage.cgi. `make help` lists the rest.

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
BUILD = build

CC ?= gcc
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
HARDENING = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
LIB_FOLDERS = $(patsubst %/,%,$(wildcard lib/*/))
INCLUDES = $(addprefix -iquote ,$(LIB_FOLDERS))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DSTL_VERSION='"$(VERSION)"' $(INCLUDES) $(WARNINGS) $(HARDENING) $(CFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now $(LDFLAGS)

PACKAGES = libcrypto json-c yaml-0.1 libarchive zlib libzstd
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lcrypt -lpthread
CGI_LIBS = -lfcgi -ljson-c -lyaml -lcrypto -lcrypt
# libfcgi also holds a client, which nothing here calls: it would bring name resolution into the program.
CGI_LDFLAGS = -Wl,--defsym=gethostbyname=abort

# A statically linked CGI starts in less than half the time, which every request pays. Where the static libraries
# are missing it is linked like any other program.
CGI_STATIC ?= $(shell echo 'int main(void){return 0;}' | $(CC) -x c - -o /dev/null -static-pie $(CGI_LIBS) \
	2>/dev/null && echo -static-pie)

LIB_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*/*.c))
CMD_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
CGI_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cgi/*.c))

all: $(BUILD)/stillage $(BUILD)/stillage.cgi

$(BUILD)/stillage: $(CMD_OBJECTS) $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pie -o $@ $^ $(LIBS)

$(BUILD)/stillage.cgi: $(CGI_OBJECTS) $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(CGI_LDFLAGS) $(or $(CGI_STATIC),-pie) -o $@ $^ $(CGI_LIBS)

$(BUILD)/libstillage.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# templates/ are part of the program (lib/base/template-files.c includes them as bytes).
$(BUILD)/lib/base/template-files.o: $(wildcard templates/*)

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d) $(CGI_OBJECTS:.o=.d)

# --- using ------------------------------------------------------------------------------------------------------

# Installs what the first steps need, builds, makes an image, lays it out, serves it and pulls it.
quickstart:
	bash tests/packages.sh build
	$(MAKE) all
	sh examples/quickstart.sh

MAN_PAGES = $(BUILD)/man/stillage.1

$(MAN_PAGES): $(BUILD)/stillage
	@mkdir -p $(@D)
	$< help --man > $@
	for command in `$< help | sed -n 's/^  \([a-z-]*\) .*/\1/p'`; do $< help --man $$command > $(@D)/stillage-$$command.1 || exit 1; done

install: all $(MAN_PAGES)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec $(DESTDIR)$(PREFIX)/share/man/man1 \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(BUILD)/stillage $(DESTDIR)$(PREFIX)/bin/stillage
	install -m 755 $(BUILD)/stillage.cgi $(DESTDIR)$(PREFIX)/libexec/stillage.cgi
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	$(BUILD)/stillage help --completion > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/stillage

# --- testing ----------------------------------------------------------------------------------------------------

TESTS = $(wildcard tests/*.t)
JOBS = 4

# Installs what the tests need, builds, and runs all of them.
check:
	bash tests/packages.sh all
	$(MAKE) all $(UNIT_TESTS) $(BUILD)/soak
	prove -j$(JOBS) --timer $(UNIT_TESTS) $(TESTS)

# Ten minutes of everything at once, on servers that are killed over and over.
soak: all $(BUILD)/soak
	SOAK_SECONDS=600 bash tests/soak.t

# Speed and memory side by side with other programs.
bench: all $(BUILD)/bench-push
	bash tests/bench.sh

$(BUILD)/bench-push: $(addprefix $(BUILD)/tests/,bench-push.o http.o)
$(BUILD)/soak: $(addprefix $(BUILD)/tests/,soak.o soak-push.o soak-pull.o http.o)
$(BUILD)/bench-push $(BUILD)/soak:
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcurl -lcrypto -lpthread

-include $(addprefix $(BUILD)/tests/,bench-push.d http.d soak.d soak-push.d soak-pull.d)

clean:
	rm -rf $(BUILD)

help:
	@echo 'make             build/stillage and build/stillage.cgi'
	@echo 'make quickstart  from nothing to a first pull, on Debian'
	@echo 'make check       all tests'
	@echo 'make unit        the tests of single modules; also as: make asan, make valgrind, make fuzz, make crash'
	@echo 'make asan-check  all tests, with programs that have sanitizers in them'
	@echo 'make soak        ten minutes of load, on servers that are killed'
	@echo 'make bench       speed and memory, compared'
	@echo 'make install     to $$(DESTDIR)$$(PREFIX)'

.PHONY: all quickstart install check soak bench clean help

# --- units ------------------------------------------------------------------------------------------------------
# One program per module (tests/t-*.c, cmocka), and one per parser (tests/fuzz-*.c) which tries all of its corpus.
# The variants below are the same programs, built elsewhere with other flags.

UNIT_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/t-*.c tests/fuzz-*.c))
FUZZ_TESTS = $(filter $(BUILD)/tests/fuzz-%,$(UNIT_TESTS))
FUZZ_DRIVER = $(BUILD)/tests/fuzz.o
FUZZ_SECONDS = 30
SANITIZE = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -U_FORTIFY_SOURCE
VALGRIND = valgrind -q --error-exitcode=9

$(BUILD)/tests/t-%: $(BUILD)/tests/t-%.o $(BUILD)/tests/unit.o $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

# What cuts changes short, or watches them, wraps these calls.
FAULT_CALLS = open openat __openat_2 syscall write pwrite copy_file_range fsync fdatasync syncfs fchmod fchmodat fchown \
	ftruncate mkdir mkdirat symlinkat linkat unlinkat renameat renameat2 time stl_boot_id
CRASH_TESTS = $(addprefix $(BUILD)/tests/,t-crash t-crash-push t-crash-upkeep t-powercut)
CRASH_OBJECTS = $(patsubst %,$(BUILD)/tests/%.o,faults crash cuts powercut powercut-record tree content client scratch changes-content changes-push changes-upkeep)
$(CRASH_TESTS): $(CRASH_OBJECTS) $(filter-out $(BUILD)/cgi/main.o,$(CGI_OBJECTS))
$(CRASH_TESTS): LIBS += -lfcgi
$(CRASH_TESTS): LDFLAGS += $(FAULT_CALLS:%=-Wl,--wrap=%)

$(BUILD)/tests/fuzz-%: $(BUILD)/tests/fuzz-%.o $(BUILD)/tests/scratch.o $(FUZZ_DRIVER) $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(FUZZ_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lfcgi

$(BUILD)/tests/fuzz-cgi $(BUILD)/tests/fuzz-auth: $(BUILD)/tests/client.o $(filter-out $(BUILD)/cgi/main.o,$(CGI_OBJECTS))

-include $(UNIT_TESTS:=.d) $(CRASH_OBJECTS:.o=.d) $(addprefix $(BUILD)/tests/,unit.d fuzz.d)

# Cuts every change short with every error, and in every state that a power cut may leave: some minutes.
crash: $(CRASH_TESTS)
	CRASH_ALL=1 prove -j$(JOBS) $(CRASH_TESTS)

unit: $(UNIT_TESTS)
	prove -j$(JOBS) $(UNIT_TESTS)

ASAN = BUILD=build/asan CC=clang CFLAGS='$(SANITIZE) -fsanitize=address,undefined' CGI_STATIC=
asan:
	$(MAKE) $(ASAN) unit

# All tests with programs that have sanitizers in them. What these report comes at the end.
asan-check:
	$(MAKE) $(ASAN) all
	rm -rf build/asan/run && mkdir -p build/asan/run/reports && chmod 1777 build/asan/run/reports
	for program in stillage stillage.cgi; do cp tests/sanitized.sh build/asan/run/$$program || exit 1; done
	-SANITIZED=1 STILLAGE=$(CURDIR)/build/asan/run/stillage STILLAGE_CGI=$(CURDIR)/build/asan/run/stillage.cgi \
	    prove -j$(JOBS) --timer $(TESTS)
	! cat build/asan/run/reports/* 2>/dev/null

# Inside the sandbox valgrind could not go on: it makes memory executable. Who dies in the middle of a change leaves memory.
valgrind: $(UNIT_TESTS)
	prove -j$(JOBS) --exec '$(VALGRIND) --leak-check=full' $(filter-out %/t-sandbox $(CRASH_TESTS),$(UNIT_TESTS))
	prove -j$(JOBS) --exec '$(VALGRIND)' $(CRASH_TESTS)

fuzz:
	$(MAKE) BUILD=build/fuzz CC=clang CFLAGS='$(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined' \
	    FUZZ_DRIVER= FUZZ_LDFLAGS=-fsanitize=fuzzer fuzz-run

# What is found besides lands in build/fuzz/found/; the seeds stay as they are.
fuzz-run: $(FUZZ_TESTS)
	@set -e; for target in $(FUZZ_TESTS); do what=$${target##*/fuzz-}; mkdir -p $(BUILD)/found/$$what; \
	    echo "$$what"; $$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
	    -verbosity=0 -print_final_stats=1 -artifact_prefix=$(BUILD)/$$what- \
	    $(BUILD)/found/$$what tests/corpus/$$what; done

# Three linters, each of which sees what the others do not. The reasons for what they may not say are in .clang-tidy.
LINT_SOURCES = $(wildcard lib/*/*.c cmd/*.c cgi/*.c)
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -DSTL_VERSION='"lint"' $(INCLUDES)
lint:
	clang-format --dry-run -Werror $(wildcard lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*.[ch])
	cppcheck -q --enable=warning,performance,portability --inline-suppr --suppress=internalAstError \
	    --error-exitcode=1 -j$(JOBS) -D_GNU_SOURCE -DSTL_VERSION='""' $(addprefix -I ,$(LIB_FOLDERS)) $(LINT_SOURCES)
	printf '%s\n' $(LINT_SOURCES) | xargs -P$(JOBS) -I{} \
	    gcc $(LINT_FLAGS) $(WARNINGS) -Werror -O1 -fanalyzer -c -o /dev/null {}
	printf '%s\n' $(LINT_SOURCES) | xargs -P$(JOBS) -I{} clang-tidy -quiet {} -- $(LINT_FLAGS)

.PRECIOUS: $(BUILD)/%.o
.PHONY: unit crash asan asan-check valgrind fuzz fuzz-run lint
