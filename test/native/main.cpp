// SPDX-License-Identifier: Apache-2.0
// The tests of the native code, one program.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
