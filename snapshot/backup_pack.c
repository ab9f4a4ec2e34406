#include "snapshot/backup_internal.h"

#include "base/buf.h"
#include "base/err.h"
#include "snapshot/pack_writer.h"

#include <stdio.h>
#include <string.h>

#define INFO_LEN_MAX (64u << 10)

struct pack_writer *backup_pack(const struct backup *backup)
{
    return backup->delta.hashes != NULL ? backup->pack_writer : backup->full.pack;
}

static int copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text != NULL && *ret_copy == NULL ? ERR_NOMEM : 0;
}

int backup_fill_record(struct backup *backup, struct err *err)
{
    const bool incremental = backup->delta.hashes != NULL;
    struct backup_record *record = &backup->record;
    const struct source_facts *facts = &backup->facts;

    record->created_at_ms = facts->created_at_ms;
    record->trigger = backup->options->trigger;
    record->kind = incremental ? BACKUP_INCREMENTAL : BACKUP_FULL;
    if (!incremental)
        record->full_at_ms = 0;
    record->size = (uint64_t)facts->page_size * facts->page_count;
    record->page_size = facts->page_size;
    record->page_count = facts->page_count;
    record->num_tables = facts->num_tables;
    record->num_rows = facts->num_rows;
    record->changed_pages = incremental ? backup->delta.page_count : facts->page_count;
    if (copy_text(backup->options->label, &record->label) < 0 ||
        copy_text(backup->host, &record->host) < 0 || copy_text(backup->path, &record->path) < 0)
        return err_nomem(err);
    return pack_set_append(&record->packs, 0, 1, err); /* for encode_info() */
}

/* The last index block tells of the backup what the manifest will, so that a lost manifest can be
 * made again from the packs.  Sizes in it end before the block. */
static int encode_info(struct backup *backup, struct buf *out, struct err *err)
{
    struct manifest alone = {
        .generation = backup->manifest.generation + 1,
        .written_at_ms = backup->record.created_at_ms,
        .database = backup->manifest.database,
        .page_hash_seed = backup->hash_seed,
        .conditional_writes = backup->manifest.conditional_writes,
        .backups = &backup->record,
        .backup_count = 1,
        .packs = &backup->pack,
        .pack_count = 1,
    };

    (void)snprintf(alone.writer, sizeof(alone.writer), "%s", backup->record.id);
    return manifest_encode(&alone, out, err);
}

static int add_full_index(struct backup *backup, struct err *err)
{
    const struct pack_writer_index index = {
        .page_one = backup->full.page_one,
        .hash_seed = backup->hash_seed,
        .hashes = backup->full.hashes,
    };

    return pack_writer_add_index(backup->full.pack, &index, &backup->record.database_hash,
                                 &backup->pack, err);
}

static int write_changes(struct backup *backup, struct err *err)
{
    const struct delta_options options = backup_delta_options(backup, NULL);
    const struct pack_writer_delta index = {
        .parent = &backup->parent,
        .page_count = backup->facts.page_count,
        .hashes = backup->delta.hashes,
        .pages = backup->delta.pages,
    };
    struct pack_writer_options pack = backup_pack_options(backup);
    int r;

    pack.page_size = backup->facts.page_size;
    pack.page_count = backup->delta.page_count;
    pack.incremental = true;
    r = pack_writer_new(&pack, &backup->pack_writer, err);
    if (r == 0)
        r = delta_write(&options, &backup->delta, backup->pack_writer, err);
    if (r == 0)
        r = pack_writer_add_delta_index(backup->pack_writer, &index, &backup->pack, err);
    backup->record.database_hash = backup->delta.sum;
    return r;
}

int backup_write_pack(struct backup *backup, struct err *err)
{
    struct buf info = BUF_INIT(INFO_LEN_MAX);
    int r;

    r = backup->delta.hashes != NULL ? write_changes(backup, err) : add_full_index(backup, err);
    if (r < 0)
        goto out;
    backup->record.stored_bytes = backup->pack.size;
    r = encode_info(backup, &info, err);
    if (r < 0)
        goto out;
    r = pack_writer_finish(backup_pack(backup), buf_str(&info), &backup->pack.size, err);
    backup->record.stored_bytes = backup->pack.size;
    backup->report.spool_max =
        pack_writer_spool_max(backup_pack(backup)) + backup->full.discarded_spool_max;
out:
    buf_dispose(&info);
    return r;
}
