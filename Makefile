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
# The same source makes the same programs, wherever it lies.
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DSTL_VERSION='"$(VERSION)"' $(INCLUDES) $(WARNINGS) $(HARDENING) \
	-ffile-prefix-map=$(CURDIR)=. $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now $(LDFLAGS)

# One line for what is made; the command itself with V=1, nothing with -s.
SILENT = $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say = $(if $(V),,@$(if $(SILENT),,$(info $(1) $@)))

PACKAGES = libcrypto json-c yaml-0.1 libarchive zlib libzstd
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lcrypt -lpthread
# libfcgi also holds a client, which nothing here calls: it would bring name resolution into the program.
CGI_PACKAGES = json-c yaml-0.1 libcrypto
CGI_LDFLAGS = -Wl,--defsym=gethostbyname=abort
CGI_LIBS = -lfcgi -ljson-c -lyaml -lcrypto -lcrypt -lpthread
CGI_STATIC_LIBS = -lfcgi $(shell pkg-config --static --libs $(CGI_PACKAGES)) -lcrypt

# A statically linked CGI starts in less than half the time, which every request pays. Of the tool only libarchive is: the
# shared one brings libxml2, ICU and the C++ library along, for formats that are not used here. Where that does not link (a
# static library is missing, or wants others that are), it is linked like any other program; $(BUILD)/*.static.log says why.
CGI_STATIC = -static-pie
STATIC_ARCHIVE = -Wl,-Bstatic -larchive -Wl,-Bdynamic -llzma -lbz2 -llz4

LIB_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*/*.c))
CMD_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
CGI_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cgi/*.c))

all: $(BUILD)/stillage $(BUILD)/stillage.cgi

LINK = $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@
$(BUILD)/stillage: $(CMD_OBJECTS) $(BUILD)/libstillage.a
	$(call say,LD)$(if $(STATIC_ARCHIVE),$(LINK) -pie $^ $(subst -larchive,$(STATIC_ARCHIVE),$(LIBS)) 2>$@.static.log || )$(LINK) -pie $^ $(LIBS)

LINK_CGI = $(LINK) $(CGI_LDFLAGS)
$(BUILD)/stillage.cgi: $(CGI_OBJECTS) $(BUILD)/libstillage.a
	$(call say,LD)$(if $(CGI_STATIC),$(LINK_CGI) $(CGI_STATIC) $^ $(CGI_STATIC_LIBS) 2>$@.static.log || )$(LINK_CGI) -pie $^ $(CGI_LIBS)

$(BUILD)/libstillage.a: $(LIB_OBJECTS)
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# templates/ are part of the program (lib/base/template-files.c includes them as bytes).
$(BUILD)/lib/base/template-files.o: $(wildcard templates/* templates/page/*)

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d) $(CGI_OBJECTS:.o=.d)

# --- using ------------------------------------------------------------------------------------------------------

# Installs what the first steps need, builds, makes an image, lays it out, serves it and pulls it.
quickstart:
	bash tests/packages.sh build
	$(MAKE) -j$$(nproc) all
	sh examples/quickstart.sh

MAN_PAGES = $(addprefix $(BUILD)/man/,stillage.1 registry.yaml.5 stillage-layout.7)

$(BUILD)/man/stillage.1: $(BUILD)/stillage
	@mkdir -p $(@D)
	$(call say,MAN)$< help --man > $@
	@for command in `$< help | sed -n 's/^  \([a-z-]*\) .*/\1/p'`; do $< help --man $$command > $(@D)/stillage-$$command.1 || exit 1; done

$(BUILD)/man/registry.yaml.5: cmd/man-settings.awk templates/registry.yaml
$(BUILD)/man/stillage-layout.7: cmd/man-layout.awk lib/LAYOUT.md
$(BUILD)/man/registry.yaml.5 $(BUILD)/man/stillage-layout.7:
	@mkdir -p $(@D)
	$(call say,MAN)awk -f $^ > $@

SHARE = $(DESTDIR)$(PREFIX)/share
DOC = $(SHARE)/doc/stillage
BASH_COMPLETION = $(SHARE)/bash-completion/completions/stillage
ZSH_COMPLETION = $(SHARE)/zsh/site-functions/_stillage
FISH_COMPLETION = $(SHARE)/fish/vendor_completions.d/stillage.fish
COMPLETIONS = $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)

install: all $(MAN_PAGES)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec $(addprefix $(SHARE)/man/man,1 5 7 8) \
	    $(dir $(COMPLETIONS)) $(DOC)
	install -m 755 $(BUILD)/stillage $(DESTDIR)$(PREFIX)/bin/stillage
	install -m 755 $(BUILD)/stillage.cgi $(DESTDIR)$(PREFIX)/libexec/stillage.cgi
	install -m 644 $(BUILD)/man/*.1 $(SHARE)/man/man1
	install -m 644 $(BUILD)/man/registry.yaml.5 $(SHARE)/man/man5
	install -m 644 $(BUILD)/man/stillage-layout.7 $(SHARE)/man/man7
	install -m 644 cgi/stillage.cgi.8 $(SHARE)/man/man8
	$(BUILD)/stillage help --completion bash > $(BASH_COMPLETION)
	$(BUILD)/stillage help --completion zsh > $(ZSH_COMPLETION)
	$(BUILD)/stillage help --completion fish > $(FISH_COMPLETION)
	install -m 644 README.md lib/LAYOUT.md lib/SECURITY.md $(DOC)
	rm -rf $(DOC)/examples
	cp -R --preserve=mode examples $(DOC)/examples
	rm -rf $(DOC)/examples/debian $(DOC)/examples/quickstart.sh

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/stillage $(DESTDIR)$(PREFIX)/libexec/stillage.cgi \
	    $(SHARE)/man/man1/stillage.1 $(SHARE)/man/man1/stillage-*.1 $(COMPLETIONS) \
	    $(addprefix $(SHARE)/man/,man5/registry.yaml.5 man7/stillage-layout.7 man8/stillage.cgi.8)
	rm -rf $(DOC)

# --- packages ---------------------------------------------------------------------------------------------------

# What git has of REF, the same archive each time.
REF = HEAD
dist:
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=stillage-$(VERSION)/ $(REF) | gzip -9n > $(BUILD)/stillage-$(VERSION).tar.gz
	@echo $(BUILD)/stillage-$(VERSION).tar.gz

# Packages for the Debian that this runs on, in build/deb/. Their programs take their libraries from Debian's packages, which
# Debian keeps secure. `make check-on RELEASE=13 HOW=deb` installs, upgrades and purges them on a bare system.
deb:
	bash tests/packages.sh deb
	$(MAKE) BUILD=$(BUILD)/deb CGI_STATIC= STATIC_ARCHIVE= debs

debs: all $(MAN_PAGES)
	rm -rf $(BUILD)/debian
	$(MAKE) -s install PREFIX=/usr DESTDIR=$(abspath $(BUILD))/debian/stillage
	sh examples/debian/build.sh $(BUILD) $(VERSION)

# An image with the whole registry in it, as an archive of `docker save`.
image: all
	sh examples/images/make-registry.sh $(BUILD)/stillage $(BUILD)/stillage.cgi $(BUILD)/stillage-image.tar

# --- testing ----------------------------------------------------------------------------------------------------

TESTS = $(wildcard tests/*/*.t)
JOBS = 4
# What the scripts in tests/ call.
TEST_PROGRAMS = $(addprefix $(BUILD)/,ask blob fingerprint gateway)
test-programs: $(TEST_PROGRAMS) $(BUILD)/shifted.cgi

# Of all tests those that TEST names: make check TEST='gc t-name'
chosen = $(if $(TEST),$(foreach name,$(TEST),$(call named,$(name))),$(UNIT_TESTS) $(TESTS))
named = $(or $(filter %/$(1) %/$(1).t,$(UNIT_TESTS) $(TESTS)),$(error there is no test $(1)))

# Installs what the tests need, builds, and runs all of them, with their folders in memory where there is enough of it
# (DISK=1: on disk). What failed or was skipped is said at the end, with the reason; a test may be skipped only for a reason
# that is in tests/may-skip.
PACKAGE_GROUP = all
check:
	bash tests/packages.sh $(PACKAGE_GROUP)
	$(MAKE) -j$(JOBS) all $(filter $(UNIT_TESTS),$(chosen)) $(BUILD)/soak test-programs
	$(if $(DISK),,ON_DISK=$${TMPDIR:-/tmp} TMPDIR=$$(bash tests/memory.sh)) BUILD=$(BUILD) JOBS=$(JOBS) bash tests/check.sh $(chosen)

# The README's two commands on a Debian with nothing installed: make check-on RELEASE=13 (or 12, sid; a name), in full or,
# with HOW=short, in a part. It takes root.
HOW = full
check-on:
	bash tests/deploy/check-on.sh '$(RELEASE)' '$(HOW)'

# Ten minutes of everything at once, on servers that are killed over and over.
soak: all $(TEST_PROGRAMS) $(BUILD)/soak
	SOAK_SECONDS=600 bash tests/load/soak.t

# Puts N small mistakes into FILES (also FILE:LINE), or EACH into each folder (with SINCE=COMMIT, into what has changed since
# then), and runs the nearest tests.
N = 20
mutate: all
	ON_DISK=$${TMPDIR:-/tmp} TMPDIR=$$(bash tests/memory.sh) perl tests/mutate.pl $(if $(EACH),--each $(EACH),--count $(N)) $(if $(SEED),--seed $(SEED)) $(if $(SINCE),--changed $(SINCE)) $(FILES)

# Speed and memory side by side with other programs.
bench: all $(TEST_PROGRAMS) $(BUILD)/bench-push
	bash tests/packages.sh bench
	bash tests/load/bench.sh
	bash tests/load/bench-slow.sh

bench-check: all $(TEST_PROGRAMS) $(BUILD)/bench-push
	bash tests/load/bench-check.sh

# One registry in CephFS through several front ends, and docker-registry with S3 on the same Ceph. It takes root.
bench-cluster: all $(TEST_PROGRAMS) $(BUILD)/bench-push
	BENCH=cluster unshare --mount bash tests/load/bench.sh

$(BUILD)/bench-push: $(addprefix $(BUILD)/tests/,load/bench-push.o support/http.o)
$(BUILD)/soak: $(addprefix $(BUILD)/tests/,load/soak.o load/soak-push.o load/soak-pull.o support/http.o)
$(TEST_PROGRAMS): $(BUILD)/%: $(BUILD)/tests/support/%.o
$(BUILD)/ask $(BUILD)/gateway: $(BUILD)/tests/support/questions.o
$(BUILD)/bench-push $(BUILD)/soak $(TEST_PROGRAMS):
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcurl -ljson-c -lcrypto -lpthread

# stillage.cgi with a clock that tests can set wrong
$(BUILD)/shifted.cgi: $(CGI_OBJECTS) $(BUILD)/tests/support/shifted-clock.o $(BUILD)/libstillage.a
	$(call say,LD)$(LINK_CGI) -pie $^ $(CGI_LIBS)

-include $(wildcard $(BUILD)/tests/*/*.d)

clean:
	rm -rf $(BUILD)

help:
	@echo 'make             build/stillage and build/stillage.cgi'
	@echo 'make quickstart  from nothing to a first pull, on Debian'
	@echo 'make check       all tests'
	@echo 'make check-on RELEASE=13  quickstart and all tests on another Debian (12, 13, sid), made for it'
	@echo 'make unit        the tests of single modules; also as: make asan, make valgrind, make fuzz, make crash'
	@echo 'make asan-check  all tests, with programs that have sanitizers in them'
	@echo 'make mutate      small mistakes, and whether a test notices them: N=20 or EACH=16 FILES=lib/oci/name.c SEED=1 SINCE=HEAD~1'
	@echo 'make soak        ten minutes of load, on servers that are killed'
	@echo 'make bench       speed and memory, compared'
	@echo 'make bench-cluster  several front ends on CephFS, compared with docker-registry on S3'
	@echo 'make bench-check what has got slower, compared with tests/load/bench-ratios'
	@echo 'make install     to $$(DESTDIR)$$(PREFIX); make uninstall'
	@echo 'make deb         packages for this release of Debian; make dist: an archive of the source'
	@echo 'make image       an image for docker and podman, with the whole registry in it'
	@echo 'V=1              shows the commands'

.PHONY: all quickstart install uninstall dist deb debs image check check-on mutate soak bench bench-check bench-cluster test-programs clean help

# --- units ------------------------------------------------------------------------------------------------------
# One program per module (tests/unit/t-*.c, cmocka), and one per parser (tests/fuzz/fuzz-*.c) which tries all of its corpus.
# The variants below are the same programs, built elsewhere with other flags.

UNIT_TESTS = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/t-*.c tests/fuzz/fuzz-*.c tests/crash/t-*.c))
FUZZ_TESTS = $(filter $(BUILD)/tests/fuzz/%,$(UNIT_TESTS))
CRASH_TESTS = $(filter $(BUILD)/tests/crash/%,$(UNIT_TESTS))
FUZZ_DRIVER = $(BUILD)/tests/fuzz/fuzz.o
FUZZ_SECONDS = 30
SANITIZE = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -U_FORTIFY_SOURCE
VALGRIND = valgrind -q --error-exitcode=9

$(BUILD)/tests/%.o: INCLUDES += -iquote tests/support

$(filter-out $(FUZZ_TESTS),$(UNIT_TESTS)): %: %.o $(BUILD)/tests/support/unit.o $(BUILD)/libstillage.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(LIBS)

$(addprefix $(BUILD)/tests/unit/,t-dialects t-exchange t-issuer t-mirror t-outgoing t-remote): $(BUILD)/tests/support/scripted.o

# stillage.cgi, but for how it is started.
CGI_TESTS = $(filter $(BUILD)/tests/unit/t-cgi%,$(UNIT_TESTS))
$(CGI_TESTS): $(addprefix $(BUILD)/tests/support/,cgi-client.o scratch.o) $(filter-out $(BUILD)/cgi/main.o,$(CGI_OBJECTS))
$(CGI_TESTS): LIBS += -lfcgi

# What cuts changes short, or watches them, wraps these calls.
FAULT_CALLS = open openat __openat_2 faccessat fstatat statx readlinkat syscall write pwrite copy_file_range fsync fdatasync syncfs fchmod fchmodat \
	fchown ftruncate mkdir mkdirat symlinkat linkat unlinkat renameat renameat2 sched_getaffinity time stl_boot_id \
	stl_pool_run
CRASH_OBJECTS = $(addprefix $(BUILD)/tests/,$(addprefix crash/,faults.o crash.o cuts.o errors.o bundles.o powercut.o powercut-record.o tree.o content.o \
	changes-content.o changes-push.o changes-upkeep.o changes-projects.o counts.o) support/cgi-client.o support/scratch.o)
$(CRASH_TESTS): $(CRASH_OBJECTS) $(filter-out $(BUILD)/cgi/main.o,$(CGI_OBJECTS))
$(CRASH_TESTS): LIBS += -lfcgi
$(CRASH_TESTS): LDFLAGS += $(FAULT_CALLS:%=-Wl,--wrap=%)

# What has two processes take turns wraps these as well.
RACES = $(filter $(BUILD)/tests/crash/t-races%,$(CRASH_TESTS))
$(RACES): $(addprefix $(BUILD)/tests/crash/,race.o race-pairs.o)
$(RACES): FAULT_CALLS += flock nanosleep

$(FUZZ_TESTS): %: %.o $(BUILD)/tests/support/scratch.o $(FUZZ_DRIVER) $(BUILD)/libstillage.a
	$(call say,LD)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(FUZZ_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lfcgi

$(BUILD)/tests/fuzz/fuzz-cgi $(BUILD)/tests/fuzz/fuzz-auth: $(BUILD)/tests/support/cgi-client.o $(filter-out $(BUILD)/cgi/main.o,$(CGI_OBJECTS))

# Cuts every change short with every error, and in every state that a power cut may leave, and has every pair of changes race:
# some minutes.
crash: $(CRASH_TESTS)
	CRASH_ALL=1 prove -j$(JOBS) $(CRASH_TESTS)

unit: $(UNIT_TESTS)
	prove -j$(JOBS) $(UNIT_TESTS)

tools:
	bash tests/packages.sh lint

ASAN = BUILD=build/asan CC=clang CFLAGS='$(SANITIZE) -fsanitize=address,undefined' CGI_STATIC=
asan: tools
	$(MAKE) $(ASAN) unit

# All tests with programs that have sanitizers in them. What these report comes at the end.
asan-check: tools $(TEST_PROGRAMS)
	$(MAKE) $(ASAN) all
	rm -rf build/asan/run && mkdir -p build/asan/run/reports && chmod 1777 build/asan/run/reports
	for program in stillage stillage.cgi; do cp tests/sanitized.sh build/asan/run/$$program || exit 1; done
	-SANITIZED=1 STILLAGE=$(CURDIR)/build/asan/run/stillage STILLAGE_CGI=$(CURDIR)/build/asan/run/stillage.cgi \
	    prove -j$(JOBS) --timer $(TESTS)
	! cat build/asan/run/reports/* 2>/dev/null

# Inside the sandbox valgrind could not go on: it makes memory executable. Who dies in the middle of a change leaves memory.
valgrind: tools $(UNIT_TESTS)
	prove -j$(JOBS) --exec '$(VALGRIND) --leak-check=full' $(filter-out %/t-sandbox $(CRASH_TESTS),$(UNIT_TESTS))
	prove -j$(JOBS) --exec '$(VALGRIND)' $(CRASH_TESTS)

fuzz: tools
	$(MAKE) BUILD=build/fuzz CC=clang CFLAGS='$(SANITIZE) -fsanitize=fuzzer-no-link,address,undefined' \
	    FUZZ_DRIVER= FUZZ_LDFLAGS=-fsanitize=fuzzer fuzz-run

# What is found besides lands in build/fuzz/found/; the seeds stay as they are.
fuzz-run: $(FUZZ_TESTS)
	@set -e; for target in $(FUZZ_TESTS); do what=$${target##*/fuzz-}; mkdir -p $(BUILD)/found/$$what; \
	    echo "$$what"; $$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=10 -rss_limit_mb=1024 \
	    -verbosity=0 -print_final_stats=1 -artifact_prefix=$(BUILD)/$$what- \
	    $(BUILD)/found/$$what tests/fuzz/corpus/$$what; done

# Three linters, each of which sees what the others do not. The reasons for what they may not say are in .clang-tidy.
LINT_SOURCES = $(wildcard lib/*/*.c cmd/*.c cgi/*.c)
LINT_FLAGS = -std=gnu11 -D_GNU_SOURCE -DSTL_VERSION='"lint"' $(INCLUDES)
lint: tools
	clang-format --dry-run -Werror $(wildcard lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*/*.[ch])
	cppcheck -q --enable=warning,performance,portability --inline-suppr --suppress=internalAstError \
	    --error-exitcode=1 -j$(JOBS) -D_GNU_SOURCE -DSTL_VERSION='""' $(addprefix -I ,$(LIB_FOLDERS)) $(LINT_SOURCES)
	printf '%s\n' $(LINT_SOURCES) | xargs -P$(JOBS) -I{} \
	    gcc $(LINT_FLAGS) $(WARNINGS) -Werror -O1 -fanalyzer -c -o /dev/null {}
	printf '%s\n' $(LINT_SOURCES) | xargs -P$(JOBS) -I{} clang-tidy -quiet {} -- $(LINT_FLAGS)

.PRECIOUS: $(BUILD)/%.o
.PHONY: tools unit crash asan asan-check valgrind fuzz fuzz-run lint
