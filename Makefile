# wiremark's build: one flat Makefile. `make help` says what there is.

VERSION  := 0.1.0

# What the user may set: on the command line or in the environment.
MPICC    ?= mpicc
MPIRUN   ?= $(if $(findstring mpicc,$(notdir $(MPICC))),$(subst mpicc,mpirun,$(MPICC)),mpirun)
CFLAGS   ?= -O2 -g
SANITIZE ?=
BUILD    ?= build$(if $(SANITIZE),-sanitize)
WERROR   ?= yes
PREFIX   ?= /usr/local
DESTDIR  ?=
V        ?= 0

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.PHONY: all tests quickstart ci check test unit integration lint format readme install uninstall bundle bundled \
        gpu-check versus check-hosts check-slurm check-roce fuzz clean help FORCE

all:

# A compiler that the user names goes through the MPI wrapper, which adds what its MPI needs.
ifneq ($(origin CC),default)
export OMPI_CC := $(CC)
export MPICH_CC := $(CC)
export I_MPI_CC := $(CC)
endif
export MPICC $(filter WITH_% CUDA_HOME,$(.VARIABLES))

# ---- what the compiler is told

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wconversion \
            -Wno-sign-conversion $(if $(filter no,$(WERROR)),,-Werror)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DWM_SANITIZED)
COMPILE = $(MPICC) -std=c11 -D_GNU_SOURCE -I. -I$(BUILD) $(WARNINGS) $(SANITIZER) $(COMPONENT_CFLAGS) $(CPPFLAGS) \
          $(CFLAGS)
LINK    = $(MPICC) $(SANITIZER) $(CFLAGS) $(LDFLAGS)
# Kernels only, so that no host compiler's code gets in; one operation rounds once (no fused ones).
NVCOMPILE = $(NVCC) -fatbin -std=c++17 -O3 -fmad=false -I. -Xfatbin -compress-all -allow-unsupported-compiler \
            $(if $(filter no,$(WERROR)),,-Werror all-warnings) -Xcompiler -Wall,-Wextra $(NVCC_ARCHS) $(NVCCFLAGS)
# Programs load only what they use: libfabric's providers, for one, handle signals before main. The last two are empty
# since glibc 2.34, and needed before.
# NCCL looks up its profiler in the program itself, as in a library.
LIBS    = -Wl,--dynamic-list=src/transport/nccl_profiler.list -Wl,--as-needed $(COMPONENT_LIBS) -lm -lpthread -lrt -ldl

# ---- what there is to build: new files are picked up by their place

SOURCES := $(sort $(shell find src bench p2p collectives reports -name '*.c' 2>/dev/null))
MAIN    := $(BUILD)/src/cli/main.o
OBJECTS := $(filter-out $(MAIN),$(SOURCES:%.c=$(BUILD)/%.o))
LIBRARY := $(BUILD)/libwiremark.a
BINARY  := $(BUILD)/wiremark
HARNESS := $(if $(SANITIZE),$(BUILD)/tests/sanitizers.o)
UNIT    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c tests/fuzz/*_fuzz.c))
# The GPU's kernels on the host, where there is a C++ compiler.
KERNELS := $(if $(shell command -v $(firstword $(CXX)) 2>/dev/null),$(patsubst %.cc,$(BUILD)/%,$(wildcard tests/unit/*_test.cc)))
RANKED  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/mpi/*.c))
PRELOAD := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/preload/*.c))
PAGES   := $(BUILD)/wiremark.1 $(BUILD)/wiremark.bash

ifeq ($(filter 1,$(V)),)
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
endif
# Writes a file only when its text changes, so that its time says when it last did.
define keep
@mkdir -p $(@D)
@printf '%b\n' '$(subst ','\'',$(1))' | cmp -s - $@ || printf '%b\n' '$(subst ','\'',$(1))' >$@
endef

# Goals below start make again where they need a build; only a build looks for components.
ifneq ($(if $(MAKECMDGOALS),$(filter all tests install readme bundled $(BUILD)/%,$(MAKECMDGOALS)),all),)
include $(BUILD)/config.mk
-include $(patsubst %.o,%.d,$(OBJECTS) $(MAIN) $(HARNESS)) $(addsuffix .d,$(UNIT) $(RANKED) $(PRELOAD:.so=) $(KERNELS))
endif

# Files of optional components, left out where the component is not there; % stands for anything.
FILES_LIBXML2   := src/topo/nccl
FILES_LIBFABRIC := src/transport/ofi src/transport/ofi_%
FILES_REPORT    := reports/page reports/page_buffer reports/page_columns
FILES_VERBS     := src/transport/verbs src/transport/verbs_% tests/unit/verbs_test
absent  := $(foreach name,LIBXML2 LIBFABRIC VERBS REPORT,$(if $(filter -DHAVE_$(name),$(COMPONENT_CFLAGS)),,$(FILES_$(name))))
OBJECTS := $(filter-out $(addprefix $(BUILD)/,$(addsuffix .o,$(absent))),$(OBJECTS))
UNIT    := $(filter-out $(addprefix $(BUILD)/,$(absent)),$(UNIT))

# The page of `report`, bundled.
PAGE    := $(BUILD)/generated/page_template
OBJECTS += $(if $(filter -DHAVE_REPORT,$(COMPONENT_CFLAGS)),$(PAGE).o)
# Where there is nvcc: the kernels, as bytes in an object, and a look whether the driver's and NCCL's prototypes are theirs.
ifneq ($(NVCC),)
OBJECTS += $(BUILD)/src/mem/cuda_kernels_code.o
AGREES  := $(patsubst %.cu,$(BUILD)/%.fatbin,$(wildcard tests/unit/*_agrees.cu))
-include $(BUILD)/src/mem/cuda_kernels.d $(AGREES:.fatbin=.d)
BARE    := $(BUILD)/tests/versus/bare_cuda $(BUILD)/tests/versus/bare_nccl
endif
# What scripts/gpu-check runs beside the program.
ONGPU   := $(filter $(BUILD)/tests/unit/cuda_test $(BUILD)/tests/unit/nccl_test,$(UNIT)) $(BARE)

$(BUILD)/config.mk: FORCE
	@scripts/components $(BUILD)

all: $(BINARY) $(PAGES)
tests: $(BINARY) $(UNIT) $(RANKED) $(PRELOAD) $(KERNELS) $(AGREES) $(BARE)
bundled: all $(ONGPU)

$(BUILD)/flags: FORCE
	$(call keep,$(COMPILE)\n$(LINK) $(LIBS)\n$(COMPILER)\n$(NVCOMPILE))

$(BUILD)/objects: FORCE
	$(call keep,$(OBJECTS))

# The commit is empty where there is no repository: in a tarball, or one unpacked inside another project.
ifndef COMMIT
COMMIT := $(if $(wildcard .git),$(shell GIT_OPTIONAL_LOCKS=0 git describe --always --dirty --abbrev=12 2>/dev/null))
endif
$(BUILD)/generated/version.h: FORCE
	$(call keep,#define WM_VERSION "$(VERSION)"\n#define WM_COMMIT "$(COMMIT)"\n#define WM_COMPONENTS "$(COMPONENTS)")

$(BUILD)/%.o: %.c $(BUILD)/flags | $(BUILD)/generated/version.h
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -MMD -MP -c $< -o $@

$(PAGE).c: $(wildcard reports/page/*) | $(BUILD)/generated/version.h
	$(call say,BUNDLE,reports/page)node reports/page/build.mjs build-npm/node_modules $@

$(PAGE).o: $(PAGE).c reports/page.h $(BUILD)/flags
	$(call say,CC,$<)$(COMPILE) -c $< -o $@

$(BUILD)/%.fatbin: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,NVCC,$<)$(NVCOMPILE) -MMD -MP -MF $(@:.fatbin=.d) $< -o $@

# Programs as a user would write them: CUDA's run-time library inside, and the driver and NCCL by their names.
$(BUILD)/tests/versus/bare_cuda: $(BUILD)/%: %.cu $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,NVCC,$<)$(NVCC) -std=c++17 -O2 -allow-unsupported-compiler -Xcompiler \
	    -Wall,-Wextra,-static-libstdc++,-static-libgcc $(NVCCFLAGS) -o $@ $<

$(BUILD)/tests/versus/bare_nccl: $(BUILD)/%: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) -o $@ $< -ldl

$(BUILD)/src/mem/cuda_kernels_code.c: $(BUILD)/src/mem/cuda_kernels.fatbin
	$(call say,GEN,$@)(echo '_Alignas(64) const unsigned char wm_cuda_code[] = {'; od -An -v -tu1 $< | sed 's/ *\([0-9][0-9]*\)/\1,/g'; echo '};') >$@

$(BUILD)/src/mem/cuda_kernels_code.o: $(BUILD)/src/mem/cuda_kernels_code.c
	$(call say,CC,$<)$(COMPILE) -c $< -o $@

$(LIBRARY): $(OBJECTS) $(BUILD)/objects
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $(OBJECTS)

$(BINARY): $(MAIN) $(HARNESS) $(LIBRARY) src/transport/nccl_profiler.list
	$(call say,LINK,$@)$(LINK) -o $@ $(MAIN) $(HARNESS) $(LIBRARY) $(LIBS)

$(UNIT) $(RANKED): $(BUILD)/%: %.c $(HARNESS) $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(COMPILE) $(LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(HARNESS) $(LIBRARY) $(LIBS)

# With libFuzzer's own main: see `make fuzz`.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(HARNESS) $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)$(COMPILE) $(LDFLAGS) -DWM_LIBFUZZER -fsanitize=fuzzer -o $@ $< $(HARNESS) $(LIBRARY) $(LIBS)

$(KERNELS): $(BUILD)/%: %.cc $(HARNESS) $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$<)$(CXX) -std=c++17 -I. -Wall -Wno-unknown-pragmas $(if $(filter no,$(WERROR)),,-Werror) $(SANITIZER) $(CXXFLAGS) -O1 \
	    $(LDFLAGS) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(HARNESS) $(LIBRARY) $(LIBS)

# Libraries that tests put before the MPI with LD_PRELOAD; a sanitizer's own library would have to come first.
$(PRELOAD): $(BUILD)/%.so: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,SHARED,$<)$(filter-out $(SANITIZER),$(COMPILE)) $(LDFLAGS) -MMD -MP -MF $(BUILD)/$*.d -MT $@ -fPIC -shared -o $@ $< -ldl

$(BUILD)/wiremark.1: $(BINARY)
	$(call say,MAN,$@)$< help --man >$@

$(BUILD)/wiremark.bash: $(BINARY)
	$(call say,GEN,$@)$< help --completion >$@

# ---- two commands for a fresh machine

JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

quickstart:
	@scripts/install-deps run
	@$(MAKE) --no-print-directory $(JOBS) all
	@WM_BINARY=$(BINARY) WM_MPIRUN='$(MPIRUN)' scripts/quickstart

ci:
	@scripts/install-deps test
	@$(MAKE) --no-print-directory check

# ---- checks: scripts/check builds what a part needs, runs it and counts

CHECK = MAKE='$(MAKE)' MPIRUN='$(MPIRUN)' BUILD='$(BUILD)' SANITIZE='$(SANITIZE)' V='$(V)' scripts/python scripts/check

check:
	+@$(CHECK) $(if $(SANITIZE),unit smoke,lint unit ranks integration clang mpich sanitize aarch64 valgrind hosts slurm roce)

test:
	+@$(CHECK) --quick lint unit ranks integration

unit lint:
	+@$(CHECK) $@

integration:
	+@$(CHECK) ranks integration

check-hosts:
	+@$(CHECK) hosts

check-slurm:
	+@$(CHECK) slurm

check-roce:
	+@$(CHECK) roce

FUZZ         := $(notdir $(basename $(wildcard tests/fuzz/*_fuzz.c)))
FUZZ_SECONDS ?= 600
fuzz:
	+@$(MAKE) --no-print-directory CC=clang BUILD=build-fuzz SANITIZE=address,undefined,fuzzer-no-link \
	    $(FUZZ:%=build-fuzz/fuzz/%)
	+@$(MAKE) --no-print-directory BUILD=build $(FUZZ:%=build/tests/fuzz/%)
	@for name in $(FUZZ); do \
	    mkdir -p build-fuzz/$$name.found build-fuzz/$$name.seeds && \
	    build/tests/fuzz/$$name --seeds build-fuzz/$$name.seeds && \
	    build-fuzz/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -timeout=20 -artifact_prefix=build-fuzz/$$name- \
	        build-fuzz/$$name.found build-fuzz/$$name.seeds || exit 1; \
	done

gpu-check:
	+@$(MAKE) --no-print-directory $(JOBS) bundled
	@BUILD='$(BUILD)' WM_MPIRUN='$(MPIRUN)' scripts/gpu-check

versus:
	+@$(MAKE) --no-print-directory $(JOBS) all
	@if [ -x tests/versus/run ]; then WM_BINARY=$(BINARY) WM_MPIRUN='$(MPIRUN)' tests/versus/run; else echo 'versus: no tests/versus/run'; fi

format:
	@WRITE=yes scripts/lint format

readme: all
	@WRITE=yes BUILD='$(BUILD)' scripts/lint readme

# ---- installing

SCHEMA   := $(wildcard reports/schema/*.json)
REFER    := $(wildcard reports/reference/*.json)
EXAMPLES := $(wildcard examples/*)
AT       := $(DESTDIR)$(PREFIX)

install: all
	@install -d $(AT)/bin $(AT)/share/man/man1 $(AT)/share/wiremark $(AT)/share/bash-completion/completions
	$(call say,INSTALL,$(AT)/bin/wiremark)install -m 755 $(BINARY) $(AT)/bin/wiremark
	@install -m 755 scripts/wiremark-launches $(AT)/bin/wiremark-launches
	@install -m 644 $(BUILD)/wiremark.1 $(AT)/share/man/man1/wiremark.1
	@install -m 644 $(BUILD)/wiremark.bash $(AT)/share/bash-completion/completions/wiremark
	@$(if $(SCHEMA),install -m 644 $(SCHEMA) $(AT)/share/wiremark)
	@$(if $(REFER),install -d $(AT)/share/wiremark/reference && install -m 644 $(REFER) $(AT)/share/wiremark/reference)
	@$(if $(EXAMPLES),install -d $(AT)/share/doc/wiremark/examples && cp -R $(EXAMPLES) $(AT)/share/doc/wiremark/examples)

uninstall:
	rm -f $(AT)/bin/wiremark $(AT)/bin/wiremark-launches $(AT)/share/man/man1/wiremark.1 \
	    $(AT)/share/bash-completion/completions/wiremark
	rm -rf $(AT)/share/wiremark $(AT)/share/doc/wiremark

# In a build of its own: libxml2 would bring 34 MB of character sets, for topology files of NCCL alone.
BUNDLE := build-bundle
bundle:
	+@$(MAKE) --no-print-directory $(JOBS) BUILD=$(BUNDLE) WITH_LIBXML2=no bundled
	@MPIRUN='$(MPIRUN)' scripts/bundle $(BUNDLE) $(VERSION)

# Removes only folders that this Makefile configured.
clean:
	@for folder in build build-* $(BUILD); do \
	    if [ -f "$$folder/config.mk" ]; then rm -rf "$$folder"; fi; \
	done

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: make               the binary build/wiremark, its man page and shell completion
#: make quickstart    install what is missing, build, measure 2 ranks on this machine: the table and wiremark-result.json
#: make ci            install what the checks need, then make check
#: make check         every check: lint, tests, gcc and clang, Open MPI and MPICH, sanitizers, valgrind, aarch64, hosts,
#:                    a job of Slurm, and RDMA between two guests
#: make test          lint, unit tests and 2-rank integration tests, under 3 minutes
#: make unit | integration | lint | check-hosts | check-slurm | check-roce    one part of the checks
#: make fuzz          libFuzzer over all readers, FUZZ_SECONDS=600 each; needs clang
#: make format        clang-format all C files
#: make readme        write README's option table anew
#: make install | uninstall    with PREFIX (/usr/local) and DESTDIR
#: make bundle        build-bundle/wiremark-VERSION-PROCESSOR.tar.gz: wiremark, its MPI and its libraries, for a node that
#:                    has a driver and no MPI, no compiler
#: make gpu-check     all that this machine's GPUs can show, step by step; scripts/gpu-check --out DIR keeps the results
#: make versus        speed against a bare loop and the MPI's own collectives, as ratios
#: make clean
#:
#: MPICC=mpicc        the MPI's compiler wrapper; MPIRUN its launcher
#: CC=clang           the compiler behind the wrapper
#: BUILD=build        where everything built goes; several may stand side by side
#: SANITIZE=address,undefined    an instrumented build in build-sanitize; with check, its unit tests and a smoke run
#: CUDA_HOME=DIR      the CUDA toolkit, where nvcc is neither in PATH nor in /usr/local/cuda; WITH_CUDA=no for none
#: CFLAGS='-O2 -g' CPPFLAGS LDFLAGS    added to ours; WERROR=no for packagers; V=1 shows the commands
