# stillage: `make` builds build/stillage and build/stillage.cgi. `make help` lists the rest.

VERSION = 0.1.0
PREFIX = /usr/local
DESTDIR =
BUILD = build

CC ?= gcc
CFLAGS ?= -O2 -g
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
HARDENING = -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DSTL_VERSION='"$(VERSION)"' -iquote lib $(WARNINGS) $(HARDENING) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

PACKAGES = libcrypto json-c yaml-0.1 libarchive zlib libzstd
LIBS = $(shell pkg-config --libs $(PACKAGES)) -lcrypt -lpthread
CGI_LIBS = -lfcgi -ljson-c -lyaml -lcrypto -lcrypt

# A statically linked CGI starts in less than half the time, which every request pays. Where the static libraries
# are missing it is linked like any other program.
CGI_STATIC ?= $(shell echo 'int main(void){return 0;}' | $(CC) -x c - -o /dev/null -static-pie $(CGI_LIBS) \
	2>/dev/null && echo -static-pie)

LIB_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/*.c))
CMD_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
CGI_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cgi/*.c))

all: $(BUILD)/stillage $(BUILD)/stillage.cgi

$(BUILD)/stillage: $(CMD_OBJECTS) $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/stillage.cgi: $(CGI_OBJECTS) $(BUILD)/libstillage.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(CGI_STATIC) -o $@ $^ $(CGI_LIBS)

$(BUILD)/libstillage.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# templates/ are part of the program (lib/template-files.c includes them as bytes).
$(BUILD)/lib/template-files.o: $(wildcard templates/*)

-include $(LIB_OBJECTS:.o=.d) $(CMD_OBJECTS:.o=.d) $(CGI_OBJECTS:.o=.d)

clean:
	rm -rf $(BUILD)

.PHONY: all clean
