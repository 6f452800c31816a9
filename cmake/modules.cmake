# The layers, from DESIGN's list: a module may name only those before it.
set(MOONGATE_LAYERS base record config net ingest journal metrics tsdb scrape promql querier traces logs template alerts script engine api cli)

# moongate_module(<name> [DEPENDS base …] [LIBS dep_uv …]): the folder's *.c and *.cc (but a main.c) become the static library moongate_<name>.
# LIBS: dep_uv dep_luajit dep_cjson dep_curl dep_simdjson dep_zlib dep_zstd dep_snappy dep_nettle dep_re2 dep_yaml llhttp m.
function(moongate_module name)
  cmake_parse_arguments(M "" "" "DEPENDS;LIBS" ${ARGN})
  list(FIND MOONGATE_LAYERS ${name} layer)
  if(layer LESS 0 OR M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "core/${name}: not a layer, or unknown arguments: ${M_UNPARSED_ARGUMENTS}")
  endif()
  file(GLOB sources CONFIGURE_DEPENDS *.c *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(moongate_${name} STATIC ${sources})
  target_link_libraries(moongate_${name} PUBLIC moongate_flags Threads::Threads ${M_LIBS})
  set(missing "")
  foreach(dependency ${M_DEPENDS})
    list(FIND MOONGATE_LAYERS ${dependency} above)
    if(above LESS 0 OR NOT above LESS layer)
      message(FATAL_ERROR "core/${name} depends on ${dependency}, which is not a module above it")
    endif()
    if(TARGET moongate_${dependency})
      target_link_libraries(moongate_${name} PUBLIC moongate_${dependency})
      get_target_property(inherited moongate_${dependency} MOONGATE_MISSING)
      list(APPEND missing ${inherited})
    else()
      list(APPEND missing ${dependency})
    endif()
  endforeach()
  # What is not there cannot be linked: programs on top of this module are left out, loudly.
  list(REMOVE_DUPLICATES missing)
  set_target_properties(moongate_${name} PROPERTIES MOONGATE_MISSING "${missing}")
  if(missing)
    message(WARNING "core/${name} depends on modules that have no CMakeLists.txt: ${missing}")
  endif()
endfunction()

# moongate_embed_lua(<target> <folder>): every .lua of the folder becomes bytes of the target, listed in embedded_files[] (script/embed.h).
function(moongate_embed_lua target folder)
  cmake_path(ABSOLUTE_PATH folder)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.lua)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_embedded.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding ${folder}"
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
