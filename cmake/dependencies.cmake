# What is linked, under one name each, for LIBS of moongate_module. Why each was taken: ARCHITECTURE.md.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# moongate_dependency(<name> <pkg-config name>): the target dep_<name>.
function(moongate_dependency name package)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${package})
  add_library(dep_${name} INTERFACE)
  target_link_libraries(dep_${name} INTERFACE PkgConfig::${name})
endfunction()

moongate_dependency(uv libuv)
moongate_dependency(luajit luajit)
moongate_dependency(cjson libcjson)
moongate_dependency(curl libcurl)
moongate_dependency(simdjson simdjson)
moongate_dependency(zlib zlib)
moongate_dependency(zstd libzstd)
moongate_dependency(snappy snappy)
moongate_dependency(nettle nettle)
moongate_dependency(re2 re2)
moongate_dependency(yaml yaml-0.1)

# Debian ships llhttp as sources inside node-llhttp. Strict mode: without it "\r\n\rX" passes as the end of a header.
find_path(LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH REQUIRED)
find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH REQUIRED)
add_library(llhttp STATIC ${LLHTTP_SOURCES}/llhttp.c ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})
target_compile_definitions(llhttp PRIVATE LLHTTP_STRICT_MODE=1)
target_compile_options(llhttp PRIVATE -w)
target_link_libraries(llhttp PRIVATE moongate_instrumentation)
