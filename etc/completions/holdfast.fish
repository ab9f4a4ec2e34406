# fish completion of holdfast; install as share/fish/vendor_completions.d/holdfast.fish

function __holdfast_databases
    set -l config /etc/holdfast/holdfast.ini
    set -q HOLDFAST_CONFIG; and set config $HOLDFAST_CONFIG
    test -r $config; and sed -n 's/^[[:blank:]]*\[database:\([^]]*\)\].*/\1/p' $config
end

set -l commands create list download restore verify repair diff prune pin unpin version help
set -l with_settings '__fish_seen_subcommand_from create list download restore verify repair diff prune pin unpin'

complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a create -d 'back up a database that is in use'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a list -d 'show the backups of a database'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a download -d 'fetch a backup as a SQLite file'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a restore -d 'put a backup back'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a diff -d 'show what changed'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a verify -d 'find out whether backups restore'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a prune -d 'apply the retention policy'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a repair -d 'mend damaged backups'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a pin -d 'keep a backup'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a unpin -d 'leave a backup to the policy'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a version -d 'show the version'
complete -c holdfast -n "not __fish_seen_subcommand_from $commands" -f -a help -d 'explain a command'
complete -c holdfast -n '__fish_seen_subcommand_from help' -f -a "$commands"
complete -c holdfast -n $with_settings -a '(__holdfast_databases)' -d 'database'
complete -c holdfast -n '__fish_seen_subcommand_from download restore diff' -a latest -d 'the newest backup'

complete -c holdfast -l json -d 'print JSON'
complete -c holdfast -s h -l help -d 'explain the command'
complete -c holdfast -n $with_settings -s c -l config -rF -d 'the configuration'
complete -c holdfast -n $with_settings -l name -x -d "the database's name in the store"
complete -c holdfast -n '__fish_seen_subcommand_from create' -l label -x -d 'a note'
complete -c holdfast -n '__fish_seen_subcommand_from create restore' -l adopt -d 'another host and path'
complete -c holdfast -n '__fish_seen_subcommand_from create download restore repair prune' -s n -l dry-run -d 'write nothing'
complete -c holdfast -n '__fish_seen_subcommand_from download restore' -s o -l output -rF -d 'where to'
complete -c holdfast -n '__fish_seen_subcommand_from download create' -l force -d 'replace a file; although nothing changed'
complete -c holdfast -n '__fish_seen_subcommand_from download' -l seed -rF -d 'an older copy'
complete -c holdfast -n '__fish_seen_subcommand_from create' -l full -d 'all pages'
complete -c holdfast -n '__fish_seen_subcommand_from create' -l prune -d 'apply the policy'
complete -c holdfast -n '__fish_seen_subcommand_from repair' -l from-packs -d 'make the manifest again anyhow'
complete -c holdfast -n '__fish_seen_subcommand_from verify' -l read -d 'read all data'
complete -c holdfast -n '__fish_seen_subcommand_from verify' -l sample -x -d 'a share of it'
complete -c holdfast -n '__fish_seen_subcommand_from verify' -l restore -d 'restore and check'
complete -c holdfast -n '__fish_seen_subcommand_from diff' -l rows -d 'list keys, too'
complete -c holdfast -n '__fish_seen_subcommand_from diff' -l limit -x -d 'keys a table and kind'
complete -c holdfast -n '__fish_seen_subcommand_from diff' -l pages -d 'pages only'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l at -x -d 'the newest at or before'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l undo -d 'from before the last restore'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l swap -d 'exchange the file'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l no-undo -d 'keep nothing'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -l if-missing -d 'only when there is none'
complete -c holdfast -n '__fish_seen_subcommand_from restore' -s y -l yes -d 'do not ask'

complete -c holdfast -n $with_settings -l store -x -d 'where backups are kept'
complete -c holdfast -n $with_settings -l endpoint -x -d 'the S3 server'
complete -c holdfast -n $with_settings -l region -x -d 'the region that requests are signed for'
complete -c holdfast -n $with_settings -l addressing -xa 'auto path virtual' -d "the bucket's place"
complete -c holdfast -n $with_settings -l access-key-id -x -d 'the key'
complete -c holdfast -n $with_settings -l secret-access-key-file -rF -d 'holds the secret of the key'
complete -c holdfast -n $with_settings -l session-token-file -rF -d 'holds the token'
complete -c holdfast -n $with_settings -l profile -x -d "of AWS's credentials file"
complete -c holdfast -n $with_settings -l ca-file -rF -d 'certificates to trust'
complete -c holdfast -n $with_settings -l attempts -x -d 'how often a request is tried'
complete -c holdfast -n $with_settings -l state-dir -xa '(__fish_complete_directories)' -d 'between runs'
complete -c holdfast -n $with_settings -l spool-dir -xa '(__fish_complete_directories)' -d 'for what waits'
complete -c holdfast -n $with_settings -l log -xa 'error warn info debug trace' -d 'what to say'
complete -c holdfast -n $with_settings -l threads -x -d 'threads that compress'
complete -c holdfast -n $with_settings -l compression -x -d "zstd's level"
complete -c holdfast -n $with_settings -l part-size -x -d 'the parts of a large upload'
complete -c holdfast -n $with_settings -l busy-timeout -x -d 'how long to wait for locks'
complete -c holdfast -n $with_settings -l full-every -x -d 'how often to send all pages'
complete -c holdfast -n $with_settings -l keep-last -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-hourly -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-daily -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-weekly -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-monthly -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-yearly -x -d 'retention'
complete -c holdfast -n $with_settings -l keep-within -x -d 'retention'
complete -c holdfast -n $with_settings -l prune-grace -x -d 'retention'
