# SPDX-License-Identifier: MIT
# Runs an example and compares what it prints with the comment that its source ends in.
#
#   cmake -DPROGRAM=… -DEMULATOR=… -DSOURCE=… -P check.cmake

file(READ ${SOURCE} source)
string(FIND "${source}" "// Prints:\n" begin)
if(begin EQUAL -1)
  message(FATAL_ERROR "${SOURCE} does not say what it prints")
endif()
string(SUBSTRING "${source}" ${begin} -1 expected)
string(REGEX REPLACE "^// Prints:\n" "" expected "${expected}")
string(REGEX REPLACE "(^|\n)// ?" "\\1" expected "${expected}")

execute_process(COMMAND ${EMULATOR} ${PROGRAM} OUTPUT_VARIABLE printed RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with status ${status}\n${printed}")
endif()
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed\n${printed}\nbut its source says\n${expected}")
endif()
