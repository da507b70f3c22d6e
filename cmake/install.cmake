# SPDX-License-Identifier: MIT
# `cmake --install build --component dev` gives a prefix in which
# find_package(dcache CONFIG) finds dcache::dcache; a backend with a foreign library is there for who
# asks for it: COMPONENTS s3. The Python modules are a component of their own.
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
if(DCACHE_BUILD_S3)
  install(TARGETS dcache_s3
    EXPORT dcacheS3Targets
    ARCHIVE COMPONENT dev
    FILE_SET HEADERS COMPONENT dev)
  install(EXPORT dcacheS3Targets
    NAMESPACE dcache::
    DESTINATION ${package_dir}
    COMPONENT dev)
endif()

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
