# cmake --install puts a program there that runs, and nothing of the tests.
set(prefix ${BUILD}/installed)
file(REMOVE_RECURSE ${prefix})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix}
                OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${prefix}/bin/holdfast version
                OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output MATCHES "${VERSION}")
    message(FATAL_ERROR "'holdfast version' says '${output}', not ${VERSION}")
endif()
file(GLOB_RECURSE files RELATIVE ${prefix} ${prefix}/*)
foreach(file ${files})
    if(file MATCHES "test|fuzz|harness")
        message(FATAL_ERROR "${file} was installed")
    endif()
endforeach()
