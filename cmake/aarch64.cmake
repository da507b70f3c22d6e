# SPDX-License-Identifier: MIT
# The toolchain of the preset aarch64: Debian's cross compiler, the arm64 packages of the libraries
# beside those of this machine (tools/setup aarch64), and an emulator for whatever is run.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
# pkg-config, which FindOpenSSL asks, would name the libraries of this machine.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig)
