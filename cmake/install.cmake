# SPDX-License-Identifier: MIT
# `cmake --install build --component dev` gives a prefix in which
# find_package(dcache CONFIG) finds dcache::dcache. The Python module will be a
# component of its own.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/dcache)

install(TARGETS dcache dcache_testing
  EXPORT dcacheTargets
  ARCHIVE COMPONENT dev
  FILE_SET HEADERS COMPONENT dev)
install(EXPORT dcacheTargets
  NAMESPACE dcache::
  DESTINATION ${package_dir}
  COMPONENT dev)

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/dcacheConfig.cmake.in
  ${PROJECT_BINARY_DIR}/dcacheConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/dcacheConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(
  FILES
    ${CMAKE_CURRENT_LIST_DIR}/FindZstd.cmake
    ${PROJECT_BINARY_DIR}/dcacheConfig.cmake
    ${PROJECT_BINARY_DIR}/dcacheConfigVersion.cmake
  DESTINATION ${package_dir}
  COMPONENT dev)
