# The Debian package: `cpack -G DEB` in a release build.
#
# What only a package may put there (units, a configuration that counts, the user) is a component of
# its own, which `cmake --install` leaves out.
set(here ${PROJECT_SOURCE_DIR}/etc)

function(holdfast_debian_install)
    install(${ARGN} COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()

holdfast_debian_install(FILES ${here}/systemd/holdfast.service ${here}/systemd/holdfast-run.service
                              ${here}/systemd/holdfast-run.timer DESTINATION lib/systemd/system)
holdfast_debian_install(FILES ${here}/debian/sysusers.conf DESTINATION lib/sysusers.d
                        RENAME holdfast.conf)
holdfast_debian_install(FILES ${here}/holdfast.ini DESTINATION /etc/holdfast
                        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
holdfast_debian_install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR}
                        RENAME copyright)
holdfast_debian_install(FILES ${here}/holdfast.cron DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME holdfast)
set(CPACK_PACKAGE_CONTACT "Holdfast maintainers <maintainers@holdfast.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "backups of live SQLite databases on S3-compatible storage")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "backups of live SQLite databases on S3-compatible storage
 Takes consistent snapshots of SQLite databases while applications write to them,
 uploads only the pages that changed to S3-compatible object storage or to a
 directory, and puts any backup back into the running database.")
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # needs dpkg-dev
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${here}/debian/conffiles;${here}/debian/postinst;${here}/debian/prerm;${here}/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_SET_DESTDIR ON) # for /etc
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
