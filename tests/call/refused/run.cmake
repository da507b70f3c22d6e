# SPDX-License-Identifier: MIT
# Compiles a program that must not compile, and looks for the sentence that its comment
# `// Refused: …` promises among what the compiler says.
#
#   cmake -DCOMPILER=… -DINCLUDE=… -DSOURCE=… -P run.cmake

file(READ ${SOURCE} source)
if(NOT source MATCHES "// Refused: ([^\n]+)")
  message(FATAL_ERROR "${SOURCE} does not say what is refused")
endif()
set(sentence ${CMAKE_MATCH_1})

execute_process(
  COMMAND ${COMPILER} -std=c++20 -fsyntax-only -fdiagnostics-color=never -I${INCLUDE} ${SOURCE}
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, but should be refused: ${sentence}")
endif()
string(FIND "${said}" "dcache: " ours)
string(FIND "${said}" "${sentence}" found)
if(ours EQUAL -1 OR found EQUAL -1)
  message(FATAL_ERROR "the compiler does not say \"${sentence}\" but\n${said}")
endif()
