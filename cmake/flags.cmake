# The flags of everything that is ours: the target moongate_flags. moongate_instrumentation is the part of them that third-party sources get too.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(MOONGATE_FUZZ "libFuzzer targets (clang)" OFF)
set(MOONGATE_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize= wants them")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# Symbols always: a crash in the field and a profile are read by name. No NDEBUG anywhere: our invariants are checked in releases too.
set(optimize "-O2 -g")
if(MOONGATE_SANITIZE)
  set(optimize "-O1 -g") # stack traces that can be read, and half the time to compile
endif()
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "${optimize}")
  set(CMAKE_${language}_FLAGS_DEBUG "-Og -g3")
endforeach()

add_library(moongate_instrumentation INTERFACE)
target_compile_options(moongate_instrumentation INTERFACE
  -fPIE # not the -fPIC that CMake gives to static libraries: it forbids inlining of public functions
  -fno-omit-frame-pointer # perf walks stacks by it, and it costs next to nothing
  -fstack-protector-strong -fstack-clash-protection)
target_link_options(moongate_instrumentation INTERFACE -pie -Wl,-z,relro,-z,now)
if(MOONGATE_SANITIZE)
  target_compile_options(moongate_instrumentation INTERFACE -fsanitize=${MOONGATE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(moongate_instrumentation INTERFACE -fsanitize=${MOONGATE_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(moongate_instrumentation INTERFACE _FORTIFY_SOURCE=2) # not under sanitizers: it hides calls from them
endif()
if(MOONGATE_FUZZ)
  target_compile_options(moongate_instrumentation INTERFACE -fsanitize=fuzzer-no-link)
endif()

add_library(moongate_flags INTERFACE)
target_link_libraries(moongate_flags INTERFACE moongate_instrumentation)
target_compile_definitions(moongate_flags INTERFACE _GNU_SOURCE MOONGATE_VERSION="${PROJECT_VERSION}")
target_include_directories(moongate_flags INTERFACE ${PROJECT_SOURCE_DIR}/core)
target_compile_options(moongate_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wvla
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
  # No sanitizer finds a broken aliasing rule, so no optimisation may stand on it.
  -fno-strict-aliasing
  # a * b + c is rounded twice on every machine: PromQL's results and a replay's do not depend on whether the CPU fuses them.
  -ffp-contract=off)
if(MOONGATE_SANITIZE)
  target_compile_options(moongate_flags INTERFACE -Wno-error) # what sanitizers insert confuses warnings about values; the release build decides
endif()
