# SPDX-License-Identifier: MIT
# Read by our presets only (CMAKE_PROJECT_TOP_LEVEL_INCLUDES): ccache where it is installed.
find_program(DCACHE_CCACHE ccache)
mark_as_advanced(DCACHE_CCACHE)
if(DCACHE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${DCACHE_CCACHE})
endif()
