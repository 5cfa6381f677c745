# libhogwild - one Makefile, no configure step. `make help` lists the targets.
# Objects live under build/<hash of compiler and flags>/, so that every variant keeps its own.

VERSION := 0.2.0
SONAME  := libhogwild.so.0
CC      ?= cc
CXX     ?= c++
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
CFLAGS  ?= -O3 -g
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wpedantic $(WERROR)
SAN     ?=

have     = $(shell pkg-config --exists $(1) 2>/dev/null && echo yes)
flags    = $(shell pkg-config $(1) $(2) 2>/dev/null)
BLAS_CFLAGS := $(call flags,--cflags,openblas)
BLAS_LIBS   := $(or $(call flags,--libs,openblas),-lopenblas)
JANSSON_CFLAGS := $(call flags,--cflags,jansson)
JANSSON_LIBS   := $(or $(call flags,--libs,jansson),-ljansson)
HWLOC       := $(call have,hwloc)
COMMIT      := $(shell git rev-parse --short=10 HEAD 2>/dev/null || echo unknown)

# An MPI's compiler gives a variant of its own, with libhogwild-mpi and programs that know --mpi: `make mpi`.
# `make install MPI=openmpi` installs what that has built.
ifneq ($(and $(filter install,$(MAKECMDGOALS)),$(findstring command,$(origin MPI))),)
MPICC   := $(or $(MPICC),$(shell command -v mpicc.$(MPI) || echo mpicc))
endif
MPI     ?= openmpi
MPICC   ?=
COMPILE = $(CC)
WITHMPI = OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC)

BASE    := -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude $(BLAS_CFLAGS) $(WARN) $(SAN) \
           -fvisibility=hidden -fPIC -pthread $(if $(HWLOC),-DHW_HWLOC)$(if $(JANSSON_CFLAGS), $(JANSSON_CFLAGS))$(if $(MPICC), -DHW_MPI)
LDLIBS  := $(BLAS_LIBS) $(JANSSON_LIBS) -lz $(if $(HWLOC),-lhwloc) -lm -pthread
HASH    := $(shell printf '%s' "$(CC) $(CFLAGS) $(BASE) $(LDFLAGS) $(MPICC)" | cksum | cut -d' ' -f1)
OUT     := build/$(HASH)

SOURCES  := $(filter-out lib/mpi/%,$(wildcard lib/*/*.c lib/*/*/*.c))
# Kernels in the vectors of AVX2 or of AVX-512 are one source each, compiled for both.
WIDE     := $(wildcard lib/conv/*_wide.c)
OBJECTS  := $(patsubst %.c,$(OUT)/%.o,$(filter-out $(WIDE),$(SOURCES))) $(WIDE:%.c=$(OUT)/%.avx2.o) $(WIDE:%.c=$(OUT)/%.avx512.o)
MPILIB   := $(if $(MPICC),$(OUT)/libhogwild-mpi.a)
MPISO    := libhogwild-mpi.so.0
MPITESTS := $(OUT)/tests/mpi/test_ranks
PROGRAMS := $(wildcard examples/*.c) $(wildcard bench/*.c)
SUPPORT  := $(wildcard examples/support/*.c bench/support/*.c)
PAPERS   := $(wildcard bench/experiments/*.c)
EXAMPLES := $(patsubst %.c,$(OUT)/%,$(filter examples/%,$(PROGRAMS)))
BENCHES  := $(patsubst %.c,$(OUT)/%,$(filter bench/%,$(PROGRAMS)))
CRASH    := $(patsubst %.c,$(OUT)/%,$(wildcard tests/crash_*.c))
TESTS    := $(filter-out $(SKIP:%=$(OUT)/tests/test_%),$(patsubst %.c,$(OUT)/%,$(wildcard tests/test_*.c)))
STRESS   := $(patsubst %.c,$(OUT)/%,$(wildcard tests/stress_*.c))
HELPERS  := $(SUPPORT:%.c=$(OUT)/%.o)
comma    := ,
WRAP     := $(foreach f,malloc calloc realloc aligned_alloc free pthread_create,-Wl,--wrap=$(f))

.PHONY: all lib examples bench demo mpi test test-mpi test-san test-model test-crash test-abi test-long test-fuzz bench-peers install uninstall dist \
        clean help current build-tests run-tests run-units figures docs

all: lib examples

help:
	@echo "make                 the library and the examples"
	@echo "make demo            trains LeNet on 1, 2 and more workers and writes build/report/index.html"
	@echo "make test            installs what is missing, builds and runs the tests (5 min after the packages)"
	@echo "make mpi             libhogwild-mpi, the examples and bench/efficiency for runs over several machines; MPI=openmpi (default) or mpich"
	@echo "make test-mpi        both of them, over shared memory and TCP"
	@echo "make test-san        the tests under ASan+UBSan and ThreadSanitizer, gcc and clang"
	@echo "make test-model      the protocols and their mutants in spin"
	@echo "make test-crash      checkpoints: every system call of a save killed or failing, and random kills (strace)"
	@echo "make test-abi        programs and headers of earlier releases against this library (abidiff)"
	@echo "make test-long       stress tests at full length; kernels on emulated processors; every reader of files under libFuzzer (clang)"
	@echo "make lib | examples | bench | docs      parts of it"
	@echo "make bench-peers     our programs alternating with PyTorch, scikit-learn, liblinear and gensim"
	@echo "make install uninstall   PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"
	@echo "make dist clean"
	@echo "variables: CC CFLAGS SAN (e.g. -fsanitize=thread) SANITIZE (e.g. gcc-address) WERROR HOGWILD_DATA; objects now in $(OUT)"

lib: $(OUT)/libhogwild.a $(OUT)/$(SONAME) $(OUT)/hogwild.pc $(if $(MPICC),$(MPILIB) $(OUT)/$(MPISO) $(OUT)/hogwild-mpi.pc) current
# build/current names the variant that was made last, sanitizers aside.
current:
	@mkdir -p build && $(if $(SAN),:,ln -sfn $(HASH) build/current)
examples: $(EXAMPLES) current
bench: $(BENCHES) current

$(OUT)/libhogwild.a: $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(OUT)/$(SONAME): $(OBJECTS)
	$(CC) $(CFLAGS) $(SAN) -shared -Wl,-soname,$(SONAME) $(LDFLAGS) -o $@ $^ $(LDLIBS)
	@ln -sf $(SONAME) $(OUT)/libhogwild.so

# PREFIX is in it, so it is written every time.
.PHONY: $(OUT)/hogwild.pc
$(OUT)/hogwild.pc:
	@mkdir -p $(@D)
	@printf 'prefix=%s\nlibdir=%s\nincludedir=$${prefix}/include\n\nName: hogwild\nDescription: HOGWILD! training with measured staleness and compensated momentum\nVersion: %s\nRequires.private: openblas zlib jansson%s\nLibs: -L$${libdir} -lhogwild\nLibs.private: -lm -pthread\nCflags: -I$${includedir}\n' \
		'$(PREFIX)' '$(LIBDIR)' '$(VERSION)' '$(if $(HWLOC), hwloc)' > $@

$(OUT)/libhogwild-mpi.a: $(patsubst %.c,$(OUT)/%.o,$(wildcard lib/mpi/*.c))
	@rm -f $@
	$(AR) rcs $@ $^
$(OUT)/$(MPISO): $(patsubst %.c,$(OUT)/%.o,$(wildcard lib/mpi/*.c)) $(OUT)/$(SONAME)
	$(COMPILE) $(CFLAGS) $(SAN) -shared -Wl,-soname,$(MPISO) $(LDFLAGS) -o $@ $(filter %.o,$^) -L$(OUT) -lhogwild -pthread
	@ln -sf $(MPISO) $(OUT)/libhogwild-mpi.so
.PHONY: $(OUT)/hogwild-mpi.pc
$(OUT)/hogwild-mpi.pc:
	@mkdir -p $(@D)
	@printf 'prefix=%s\nlibdir=%s\nincludedir=$${prefix}/include\n\nName: hogwild-mpi\nDescription: runs of hogwild over MPI; compile with %s\nVersion: %s\nRequires: hogwild\nLibs: -L$${libdir} -lhogwild-mpi\nCflags: -I$${includedir}\n' \
		'$(PREFIX)' '$(LIBDIR)' '$(notdir $(MPICC))' '$(VERSION)' > $@

# The commit is in one object only, which is rebuilt when it changes.
$(OUT)/lib/base/status.o: DEFINES = -DHW_COMMIT='"$(COMMIT)"'
$(OUT)/lib/base/status.o: $(OUT)/commit-$(COMMIT)
$(OUT)/commit-$(COMMIT):
	@mkdir -p $(@D) && rm -f $(OUT)/commit-* && touch $@

# Callers' threads may have small stacks. (What sanitizers add to a frame does not count.)
$(OUT)/lib/%.o: FRAME = $(if $(SAN),,-Wframe-larger-than=8192)

ifneq ($(MPICC),)
$(OUT)/lib/mpi/%.o $(OUT)/$(MPISO) $(OUT)/examples/% $(OUT)/bench/% $(OUT)/tests/mpi/%: COMPILE = $(WITHMPI)
endif

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(COMPILE) $(CFLAGS) $(BASE) $(DEFINES) $(FRAME) -MMD -MP -c -o $@ $<

$(OUT)/%.avx2.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) $(DEFINES) $(FRAME) -MMD -MP -c -o $@ $<
$(OUT)/%.avx512.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(BASE) $(DEFINES) $(FRAME) -DLANES_AVX512 -MMD -MP -c -o $@ $<

# Benches find what they share with the examples here.
$(OUT)/bench/%.o: DEFINES = -Iexamples/support -Ibench/support -Ibench/experiments

$(OUT)/examples/%: $(OUT)/examples/%.o $(HELPERS) $(MPILIB) $(OUT)/libhogwild.a
	$(COMPILE) $(CFLAGS) $(SAN) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(OUT)/bench/%: $(OUT)/bench/%.o $(HELPERS) $(MPILIB) $(OUT)/libhogwild.a
	$(COMPILE) $(CFLAGS) $(SAN) $(LDFLAGS) -o $@ $(filter %.o,$^) $(MPILIB) $(WHOLE) $(filter %libhogwild.a,$^) $(if $(WHOLE),-Wl$(comma)--no-whole-archive) $(LDLIBS)
$(OUT)/bench/papers: $(PAPERS:%.c=$(OUT)/%.o)
# It takes objectives out of shared objects, which find the library in it.
$(OUT)/bench/efficiency: WHOLE = -rdynamic -Wl,--whole-archive
$(OUT)/tests/%.o: DEFINES = -D_DEFAULT_SOURCE
$(OUT)/tests/mpi/test_ranks: $(patsubst %.c,$(OUT)/%.o,$(wildcard tests/mpi/*.c)) $(MPILIB) $(OUT)/libhogwild.a
	$(COMPILE) $(CFLAGS) $(SAN) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(OUT)/tests/%: $(OUT)/tests/%.o $(OUT)/libhogwild.a
	$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS) $(if $(findstring faults,$*),$(WRAP)) $(if $(findstring crash,$*),-Wl$(comma)--wrap=write)

build-tests: $(TESTS)
run-tests: lib examples build-tests $(OUT)/bench/papers $(OUT)/bench/regret $(OUT)/bench/efficiency
	@OUT=$(OUT) CC="$(CC)" CXX="$(CXX)" SAN="$(SAN)" LIBS="$(LDLIBS)" sh tests/run $(TESTS)
# The test programs by themselves: what the sanitizers look at.
run-units: $(OUT)/libhogwild.a build-tests
	@OUT=$(OUT) SKIP_LINTS=1 sh tests/run $(TESTS)

# The two commands of a fresh machine.
test:
	@sh .ci/packages test
	@$(MAKE) --no-print-directory -s run-tests
demo:
	@sh .ci/packages build gnuplot
	@$(MAKE) --no-print-directory -s examples
	@build/current/examples/demo --report build/report

mpi:
	@sh .ci/packages build $(MPI)
	@$(MAKE) --no-print-directory -s MPICC="$$(command -v mpicc.$(MPI) || echo mpicc)" lib examples mpi-examples
test-mpi:
	@sh .ci/packages test openmpi mpich
	@CC="$(CC)" sh tests/mpi/run $(MPIS)
.PHONY: mpi-tests mpi-program mpi-examples
mpi-examples: $(filter %/mnist %/cifar %/linear %/matrix %/words %/own_ranks,$(EXAMPLES)) $(OUT)/bench/efficiency
mpi-tests: $(MPITESTS) $(OUT)/$(MPISO)
mpi-program:
	@echo $(MPITESTS)

test-san:
	@sh .ci/packages test clang
	@sh tests/sanitize $(SANITIZE)
test-model:
	@sh tests/model/run
test-abi:
	@sh .ci/packages build abidiff
	@$(MAKE) --no-print-directory -s lib
	@OUT=$(OUT) CC="$(CC)" sh tests/abi/check run
	@OUT=$(OUT) CC="$(CC)" sh tests/abi/check diff || { [ $$? = 77 ] && echo "skip  no abidiff: types of earlier releases"; }
test-crash:
	@sh .ci/packages test strace
	@$(MAKE) --no-print-directory -s run-crash
.PHONY: run-crash
run-crash: $(CRASH)
	@OUT=$(OUT) sh tests/crash
test-long: $(STRESS) build-tests
	@for t in $(STRESS) $(OUT)/tests/test_engine; do echo "== $$t"; HOGWILD_STRESS=full $$t || exit 1; done
	@sh .ci/packages build qemu
	@OUT=$(OUT) sh tests/processors
	@$(MAKE) --no-print-directory -s test-fuzz
test-fuzz:
	@sh .ci/packages build clang
	@OUT=$(OUT) sh tests/fuzz
bench-peers: examples bench
	@OUT=build/current sh bench/peers/run
docs:
	doxygen docs/Doxyfile

install: lib
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/hogwild/advanced $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(OUT)/libhogwild.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(OUT)/$(SONAME) $(DESTDIR)$(LIBDIR)/libhogwild.so.$(VERSION)
	ln -sf libhogwild.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libhogwild.so
	install -m 644 $(OUT)/hogwild.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/hogwild.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(filter-out $(if $(MPICC),,include/hogwild/mpi.h),$(wildcard include/hogwild/*.h)) $(DESTDIR)$(PREFIX)/include/hogwild
	install -m 644 include/hogwild/advanced/*.h $(DESTDIR)$(PREFIX)/include/hogwild/advanced
ifneq ($(MPICC),)
	install -m 644 $(OUT)/hogwild-mpi.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 $(MPILIB) $(DESTDIR)$(LIBDIR)
	install -m 755 $(OUT)/$(MPISO) $(DESTDIR)$(LIBDIR)/libhogwild-mpi.so.$(VERSION)
	ln -sf libhogwild-mpi.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(MPISO)
	ln -sf $(MPISO) $(DESTDIR)$(LIBDIR)/libhogwild-mpi.so
endif
	install -m 644 docs/hogwild.3 $(DESTDIR)$(PREFIX)/share/man/man3
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/include/hogwild $(DESTDIR)$(PREFIX)/include/hogwild.h
	rm -f $(DESTDIR)$(LIBDIR)/libhogwild*.a $(DESTDIR)$(LIBDIR)/libhogwild*.so* $(DESTDIR)$(LIBDIR)/pkgconfig/hogwild*.pc
	rm -f $(DESTDIR)$(PREFIX)/share/man/man3/hogwild.3

dist:
	@mkdir -p build
	git archive --prefix=libhogwild-$(VERSION)/ -o build/libhogwild-$(VERSION).tar.gz HEAD
clean:
	rm -rf build

.PRECIOUS: $(OUT)/%.o
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
