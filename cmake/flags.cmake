# Flags of everything that is ours.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g")

option(MOONGATE_FUZZ "libFuzzer targets (clang)" OFF)
set(MOONGATE_SANITIZE "" CACHE STRING "sanitizers, as -fsanitize= wants them")

add_library(moongate_flags INTERFACE)
target_compile_definitions(moongate_flags INTERFACE _GNU_SOURCE MOONGATE_VERSION="${PROJECT_VERSION}")
target_include_directories(moongate_flags INTERFACE ${PROJECT_SOURCE_DIR}/core)
target_compile_options(moongate_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Wvla>
  -fno-omit-frame-pointer # profiles need it, and it costs next to nothing
  -fstack-protector-strong)
target_link_options(moongate_flags INTERFACE -Wl,-z,relro,-z,now)
if(MOONGATE_SANITIZE)
  target_compile_options(moongate_flags INTERFACE -fsanitize=${MOONGATE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(moongate_flags INTERFACE -fsanitize=${MOONGATE_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(moongate_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(MOONGATE_FUZZ)
  target_compile_options(moongate_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
