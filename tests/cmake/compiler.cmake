# Warnings, hardening and sanitizers, in one interface target that every target links privately.
add_library(holdfast_compiler INTERFACE)
target_compile_definitions(holdfast_compiler INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(holdfast_compiler INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wredundant-decls -Wnested-externs -Wcast-qual
    -Wcast-align -Wwrite-strings -Wpointer-arith -Wundef -Wvla -Walloca -Wformat=2 -Wswitch-enum
    -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion -Wfloat-equal -Wunused-macros
    -fno-common)
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
    target_compile_options(holdfast_compiler INTERFACE
        -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(holdfast_compiler INTERFACE -ftrivial-auto-var-init=zero)
    endif()
    if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
        target_compile_options(holdfast_compiler INTERFACE -fcf-protection)
    endif()
    target_link_options(holdfast_compiler INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(HOLDFAST_FUZZ)
    list(APPEND sanitize -fsanitize=fuzzer-no-link)
endif()
target_compile_options(holdfast_compiler INTERFACE ${sanitize})
target_link_options(holdfast_compiler INTERFACE ${sanitize})
