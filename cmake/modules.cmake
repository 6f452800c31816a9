# moongate_module(<name> [DEPENDS base …] [LIBS dep_uv …]): one folder of core/ is one static library, linked only to modules above it.
function(moongate_module name)
  cmake_parse_arguments(M "" "" "DEPENDS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.c *.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(moongate_${name} STATIC ${sources})
  target_link_libraries(moongate_${name} PUBLIC moongate_flags Threads::Threads ${M_LIBS})
  foreach(dependency ${M_DEPENDS})
    target_link_libraries(moongate_${name} PUBLIC moongate_${dependency})
  endforeach()
endfunction()

# moongate_embed_lua(<target> <folder>): every .lua of the folder becomes bytes of the target, listed in embedded_files[] (script/embed.h).
function(moongate_embed_lua target folder)
  file(GLOB files CONFIGURE_DEPENDS ${folder}/*.lua)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
