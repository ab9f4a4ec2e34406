# Warnings, hardening and sanitizers, in one interface target that every target links privately.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C) # makes POSITION_INDEPENDENT_CODE link programs with -pie, too

add_library(holdfast_compiler INTERFACE)
target_compile_definitions(holdfast_compiler INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(holdfast_compiler INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wredundant-decls -Wnested-externs -Wcast-qual
    -Wcast-align -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Walloca -Wformat=2 -Wswitch-enum
    -Wimplicit-fallthrough -Wdouble-promotion -Wfloat-equal -Wunused-macros
    -fno-common
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:HOLDFAST_NULL_CHECKED_ELSEWHERE>>>:-Wnull-dereference>
    # Asserts and sanitizers name files from the root, not from where it was built.
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    target_compile_options(holdfast_compiler INTERFACE
        -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
        -Wformat-overflow=2 -Wformat-truncation=1 -Wformat-signedness -Walloc-zero
        -Warith-conversion -Wtrampolines -Wuse-after-free=3 -Wstringop-overflow=4
        -Wcast-align=strict -Wimplicit-fallthrough=5)
else()
    target_compile_options(holdfast_compiler INTERFACE
        -Wcomma -Wassign-enum -Wconditional-uninitialized -Wshift-sign-overflow
        -Wextra-semi-stmt -Wunreachable-code-aggressive -Wcast-function-type
        -Wmissing-variable-declarations)
endif()
if(HOLDFAST_WERROR)
    target_compile_options(holdfast_compiler INTERFACE -Werror)
endif()

if(HOLDFAST_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(HOLDFAST_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(HOLDFAST_SANITIZE)
    message(FATAL_ERROR "HOLDFAST_SANITIZE is empty, address or thread, not '${HOLDFAST_SANITIZE}'")
else()
    set(sanitize)
endif()
if(HOLDFAST_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "HOLDFAST_FUZZ needs clang: libFuzzer is part of it")
    endif()
    list(APPEND sanitize -fsanitize=fuzzer-no-link)
endif()
target_compile_options(holdfast_compiler INTERFACE ${sanitize})
target_link_options(holdfast_compiler INTERFACE ${sanitize})

# Debian's hardening and a little more.  Off under sanitizers, which check the same and get in its
# way, and under valgrind, from which initialising every local would hide the reading of garbage.
if(HOLDFAST_HARDEN AND NOT sanitize)
    target_compile_options(holdfast_compiler INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> # fortifying needs -O, and may be on already
        $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>
        -fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(holdfast_compiler INTERFACE -ftrivial-auto-var-init=zero)
    endif()
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        target_compile_options(holdfast_compiler INTERFACE -fcf-protection)
    elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
        target_compile_options(holdfast_compiler INTERFACE -mbranch-protection=standard)
    endif()
    target_link_options(holdfast_compiler INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
