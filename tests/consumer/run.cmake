# SPDX-License-Identifier: MIT
# Builds and runs the consumer in a scratch folder outside the tree.
#
#   cmake -DWAY=find_package|add_subdirectory -DSOURCE=… -DBUILD=… -DCONFIG=… -DCOMPILER=…
#         -DTOOLCHAIN=… -DEMULATOR=… -DFLAGS=… -DLAUNCHER=… -P run.cmake
#
# find_package gets the compiler flags of the build under test, because a sanitized library must
# be linked by a sanitized program. add_subdirectory gets none: it is the stranger's build.

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(here ${CMAKE_CURRENT_LIST_DIR})
set(scratch ${BUILD}/consumer/${WAY})
file(REMOVE_RECURSE ${scratch})
file(COPY ${here}/CMakeLists.txt ${here}/backend.cpp ${here}/main.cpp ${here}/s3.cpp
  DESTINATION ${scratch}/source)

if(WAY STREQUAL "find_package")
  run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${scratch}/prefix --config ${CONFIG}
    --component dev)
  set(how -DCMAKE_PREFIX_PATH=${scratch}/prefix -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
    -DCMAKE_CXX_FLAGS=${FLAGS} -DCMAKE_BUILD_TYPE=${CONFIG})
else()
  set(how -DDCACHE_SOURCE_DIR=${SOURCE})
endif()

if(TOOLCHAIN)
  list(APPEND how -DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN})
endif()
run(${CMAKE_COMMAND} -S ${scratch}/source -B ${scratch}/build -G Ninja
  -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" ${how})
run(${CMAKE_COMMAND} --build ${scratch}/build)
run(${EMULATOR} ${scratch}/build/consumer)
run(${EMULATOR} ${scratch}/build/consumer_backend)
if(WAY STREQUAL "find_package")
  run(${EMULATOR} ${scratch}/build/consumer_s3)
endif()
