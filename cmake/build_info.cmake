# Writes OUTPUT with the commit that is built, only where it has changed; run by every build.
execute_process(COMMAND git rev-parse --short=10 HEAD WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
execute_process(COMMAND git rev-list --count HEAD WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE number
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
if(NOT number)
  set(number 0)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"#pragma once
#define VULCAP_BUILD_COMMIT \"${commit}\"
#define VULCAP_BUILD_NUMBER ${number}
")
