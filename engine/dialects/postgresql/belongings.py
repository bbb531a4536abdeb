"""What belongs to a PostgreSQL table beyond its rows: what a new table in its place can be given again, and how.

Theory of operation. `belongings` lists all of it, each with an exact description that holds no object id. What is
*rebuilt* can be made on another table by the statements of `rebuilding`; all else *stays*, so the table must stay too.
After a swap the list is made again: a description that is missing then is something lost, and the swap is undone.
Whatever is not listed by name still shows as a dependent object, and DROP without CASCADE refuses those.

Foreign keys stay, in either direction: to drop one locks the other table against its readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from engine.dialects.base import TableName

_TABLE: LiteralString = """
WITH t AS (SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %(schema)s AND c.relname = %(name)s),
     a AS (SELECT a.* FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped),
     i AS (SELECT i.*, x.relname, k.oid AS constraint_oid, k.conname, k.contype,
                  i.indisclustered OR i.indisreplident OR NOT i.indisvalid OR x.reltablespace <> 0
                    OR position(' USING ' IN concat(%(schema)s, ' ', %(name)s, ' ', x.relname)) > 0
                    OR (k.oid IS NOT NULL AND x.reloptions IS NOT NULL) OR EXISTS (SELECT FROM pg_attribute c
                    WHERE c.attrelid = x.oid AND coalesce(c.attstattarget, -1) >= 0) AS is_special
             FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid
             LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = t.oid),
     k AS (SELECT k.*, k.contype IN ('f', 't') OR k.conparentid <> 0 OR k.coninhcount > 0 AS is_special
             FROM t JOIN pg_constraint k ON k.conrelid = t.oid)
"""

_STAYING: LiteralString = """
SELECT DISTINCT TRUE, 'dependent view ' || v.oid::regclass, '' FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.oid <> t.oid
UNION ALL SELECT TRUE, 'dependent ' || pg_describe_object(d.classid, d.objid, d.objsubid), '' FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.deptype = 'n'
   AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
UNION ALL SELECT TRUE, 'dependent ' || pg_describe_object(d.classid, d.objid, 0), '' FROM t
  JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.reltype, (SELECT typarray FROM pg_type
   WHERE oid = t.reltype)) AND d.deptype = 'n'
UNION ALL SELECT TRUE, 'foreign key ' || quote_ident(k.conname) || ' of ' || k.conrelid::regclass, '' FROM t
  JOIN pg_constraint k ON k.confrelid = t.oid AND k.conrelid <> t.oid
UNION ALL SELECT TRUE, 'trigger ' || quote_ident(g.tgname), '' FROM t JOIN pg_trigger g ON g.tgrelid = t.oid
   AND NOT g.tgisinternal
UNION ALL SELECT TRUE, 'rule ' || quote_ident(r.rulename), '' FROM t JOIN pg_rewrite r ON r.ev_class = t.oid
   AND (t.relkind = 'r' OR r.rulename <> '_RETURN')
UNION ALL SELECT TRUE, 'policy ' || quote_ident(p.polname), '' FROM t JOIN pg_policy p ON p.polrelid = t.oid
UNION ALL SELECT TRUE, 'row security', '' FROM t WHERE relrowsecurity OR relforcerowsecurity
UNION ALL SELECT TRUE, 'publication', '' FROM t JOIN pg_publication_tables p ON p.schemaname = %(schema)s
   AND p.tablename = t.relname
UNION ALL SELECT TRUE, 'owner ' || pg_get_userbyid(relowner), '' FROM t WHERE pg_get_userbyid(relowner) <> current_user
UNION ALL SELECT TRUE, 'subscription', '' FROM t JOIN pg_subscription_rel s ON s.srrelid = t.oid
UNION ALL SELECT TRUE, 'extension ' || quote_ident(e.extname), '' FROM t JOIN pg_depend d
    ON d.classid = 'pg_class'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_extension'::regclass
  JOIN pg_extension e ON e.oid = d.refobjid
UNION ALL SELECT TRUE, 'storage options', '' FROM t LEFT JOIN pg_class h ON h.oid = t.reltoastrelid
 WHERE t.reloptions IS NOT NULL OR h.reloptions IS NOT NULL OR t.reltablespace <> 0 OR t.relpersistence <> 'p'
    OR t.reloftype <> 0 OR (t.relkind <> 'v' AND t.relreplident <> 'd') OR (t.relkind = 'r' AND t.relam <> (
       SELECT m.oid FROM pg_am m WHERE m.amname = current_setting('default_table_access_method')))
UNION ALL SELECT TRUE, 'settings of ' || quote_ident(a.attname), '' FROM a JOIN pg_type y ON y.oid = a.atttypid
 WHERE coalesce(a.attstattarget, -1) >= 0 OR a.attoptions IS NOT NULL OR a.attstorage <> y.typstorage
    OR a.attcollation <> y.typcollation OR coalesce(to_jsonb(a) ->> 'attcompression', '') <> ''
UNION ALL SELECT TRUE, 'default of ' || quote_ident(a.attname), '' FROM a WHERE a.attidentity <> ''
    OR a.attgenerated <> ''
UNION ALL SELECT TRUE, 'statistics ' || quote_ident(s.stxname), '' FROM t JOIN pg_statistic_ext s ON s.stxrelid = t.oid
UNION ALL SELECT TRUE, CASE relkind WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
       ELSE 'partitions or inheritance' END, '' FROM t WHERE relkind <> ALL('{r,v}')
    OR EXISTS (SELECT FROM pg_inherits i WHERE t.oid IN (i.inhrelid, i.inhparent))
UNION ALL SELECT TRUE, 'security label', '' FROM t JOIN pg_seclabel s ON s.objoid = t.oid
   AND s.classoid = 'pg_class'::regclass
UNION ALL SELECT TRUE, 'sequence ' || s.oid::regclass, '' FROM t JOIN pg_depend d ON d.refobjid = t.oid
   AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' AND s.relowner <> t.relowner
UNION ALL SELECT TRUE, 'grants', '' FROM t, aclexplode(relacl) g WHERE g.grantor <> relowner
UNION ALL SELECT TRUE, 'grants on column ' || quote_ident(attname), '' FROM t JOIN a ON TRUE, aclexplode(attacl) g
 WHERE g.grantor <> relowner
"""

_REBUILT: LiteralString = """
UNION ALL SELECT is_special, 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid) FROM i
 WHERE constraint_oid IS NULL
UNION ALL SELECT i.is_special, 'index ' || indexrelid::regclass, '' FROM i WHERE constraint_oid IS NOT NULL
UNION ALL SELECT is_special, 'constraint ' || quote_ident(conname), pg_get_constraintdef(oid) FROM k
UNION ALL SELECT FALSE, 'constraint NOT NULL of ' || quote_ident(attname), '' FROM a WHERE attnotnull
UNION ALL SELECT FALSE, 'grants', concat_ws(' ', g.grantee::regrole, g.privilege_type, g.is_grantable)
  FROM t, aclexplode(coalesce(relacl, acldefault('r', relowner))) g WHERE t.relacl IS NOT NULL OR g.grantee <> relowner
UNION ALL SELECT FALSE, 'grants on column ' || quote_ident(attname),
       concat_ws(' ', g.grantee::regrole, g.privilege_type, g.is_grantable) FROM a, aclexplode(attacl) g
UNION ALL SELECT FALSE, 'default of ' || quote_ident(a.attname), pg_get_expr(f.adbin, f.adrelid)
  FROM a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE a.attgenerated = ''
UNION ALL SELECT FALSE, 'sequence ' || s.oid::regclass, quote_ident(a.attname) FROM a JOIN pg_depend d
    ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.refclassid = 'pg_class'::regclass
   AND d.classid = 'pg_class'::regclass AND d.deptype = 'a' JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
UNION ALL SELECT FALSE, 'comment on column ' || quote_ident(attname), d.description FROM a JOIN pg_description d
    ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
UNION ALL SELECT FALSE, 'comment on constraint ' || quote_ident(conname), obj_description(oid, 'pg_constraint') FROM k
 WHERE obj_description(oid, 'pg_constraint') IS NOT NULL
UNION ALL SELECT FALSE, 'comment on index ' || quote_ident(relname), obj_description(indexrelid, 'pg_class') FROM i
 WHERE obj_description(indexrelid, 'pg_class') IS NOT NULL
ORDER BY 2
"""

# The name of an index is taken while the old table stands: the new one gets it at the end.
_REBUILDING: LiteralString = """,
     named AS (SELECT i.*, '_e_' || substr(md5(%(staging)s || indexrelid), 1, 16) AS made FROM i)
SELECT 1, format('REVOKE ALL ON %%s FROM %%s', %(staging)s, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE
       g.grantee::regrole::text END) FROM pg_class s, aclexplode(s.relacl) g
 WHERE s.oid = %(staging)s::regclass AND g.grantee <> s.relowner
UNION SELECT 2, format('GRANT %%s ON %%s TO %%s%%s', g.privilege_type, %(staging)s, CASE g.grantee WHEN 0 THEN 'PUBLIC'
       ELSE g.grantee::regrole::text END, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
  FROM t, aclexplode(relacl) g WHERE g.grantee <> t.relowner
UNION SELECT 2, format('GRANT %%s (%%I) ON %%s TO %%s%%s', g.privilege_type, attname, %(staging)s,
       CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END,
       CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM a, aclexplode(attacl) g
UNION SELECT 3, format('COMMENT ON COLUMN %%s.%%I IS %%L', %(staging)s, attname, d.description)
  FROM a JOIN pg_description d ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
UNION SELECT 3, format('ALTER TABLE %%s ALTER %%I SET DEFAULT %%s', %(staging)s, attname,
       pg_get_expr(f.adbin, f.adrelid)) FROM a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
UNION SELECT 4, format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(staging)s, conname, pg_get_constraintdef(oid)) FROM k
 WHERE contype = 'n'
UNION SELECT 4, format('ALTER TABLE %%s ALTER %%I SET NOT NULL', %(staging)s, attname) FROM a WHERE attnotnull
   AND NOT EXISTS (SELECT FROM k WHERE k.contype = 'n' AND k.conkey = ARRAY[a.attnum])
UNION SELECT 5, format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(staging)s, conname, pg_get_constraintdef(oid)) FROM k
 WHERE contype = 'c'
UNION SELECT 6, format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %(staging)s, made,
       pg_get_constraintdef(constraint_oid)) FROM named WHERE constraint_oid IS NOT NULL
UNION SELECT 7, format('CREATE %%sINDEX %%I ON %%s ', CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END, made,
       %(staging)s) || substr(pg_get_indexdef(indexrelid), position(' USING ' IN pg_get_indexdef(indexrelid)) + 1)
  FROM named WHERE constraint_oid IS NULL
UNION SELECT 8, format('COMMENT ON INDEX %%I.%%I IS %%L', %(schema)s, made, obj_description(indexrelid, 'pg_class'))
  FROM named WHERE obj_description(indexrelid, 'pg_class') IS NOT NULL
UNION SELECT 8, format('COMMENT ON CONSTRAINT %%I ON %%s IS %%L', coalesce(named.made, k.conname), %(staging)s,
       obj_description(k.oid, 'pg_constraint')) FROM k LEFT JOIN named ON named.constraint_oid = k.oid
 WHERE obj_description(k.oid, 'pg_constraint') IS NOT NULL
UNION SELECT 9, format('ALTER SEQUENCE %%s OWNED BY %%s.%%I', s.oid::regclass, %(staging)s, a.attname) FROM a
  JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.refclassid = 'pg_class'::regclass
   AND d.classid = 'pg_class'::regclass AND d.deptype = 'a' JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
UNION SELECT 10, format('ALTER INDEX %%I.%%I RENAME TO %%I', %(schema)s, made, relname) FROM named
ORDER BY 1, 2
"""
_BEFORE, _INSTEAD = range(1, 9), range(9, 10)
"""Steps that can be done while the old table stands, and those that take something from it."""

_REFERENCES: LiteralString = """
SELECT quote_ident(k.conname) || ' of ' || k.conrelid::regclass, k.confdeltype = ANY('{c,n,d}'),
       k.confupdtype = ANY('{c,n,d}'),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY f(number, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = f.number ORDER BY f.place)
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s AND k.contype = 'f' ORDER BY 1
"""

_SIDE_EFFECTS: LiteralString = """
SELECT ARRAY(SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = c.oid AND c.relkind = 'r'
              ORDER BY 1),
       EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)
    OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Belonging:
    """One thing that a table has.

    Attributes:
        stays: No other table can be given it.
        text: What it is, for people.
        detail: Its exact description.
    """

    stays: bool
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Rebuilding:
    """The statements that give another table what a table has.

    Attributes:
        before: To run while the old table stands.
        instead: To run when it is about to go.
        after: To run when it is gone.
    """

    before: tuple[str, ...]
    instead: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key into a table.

    Attributes:
        text: What it is, for people.
        deletes: Deleting a row here changes rows there.
        updates: Updating a key here changes rows there.
        columns: The columns of this table that it refers to.
    """

    text: str
    deletes: bool
    updates: bool
    columns: tuple[str, ...]


def belongings(cursor: psycopg.Cursor[Any], table: TableName) -> list[Belonging]:
    """List what belongs to a table."""
    rows = cursor.execute(_TABLE + _STAYING + _REBUILT, _named(table)).fetchall()
    return [Belonging(*row) for row in rows]


def said(things: Sequence[Belonging]) -> list[str]:
    """Return what these are, each once."""
    return list(dict.fromkeys(thing.text for thing in things))


def rebuilding(cursor: psycopg.Cursor[Any], table: TableName, staging: str) -> Rebuilding:
    """Return the statements that give ``staging``, as SQL writes it, what a table has."""
    rows = cursor.execute(_TABLE + _REBUILDING, {**_named(table), "staging": staging}).fetchall()
    return Rebuilding(
        tuple(text for step, text in rows if step in _BEFORE),
        tuple(text for step, text in rows if step in _INSTEAD),
        tuple(text for step, text in rows if step not in _BEFORE and step not in _INSTEAD),
    )


def references(cursor: psycopg.Cursor[Any], table: TableName) -> list[Reference]:
    """List the foreign keys into a table."""
    rows = cursor.execute(_REFERENCES, _named(table)).fetchall()
    return [Reference(text, deletes, updates, tuple(columns)) for text, deletes, updates, columns in rows]


def side_effects(cursor: psycopg.Cursor[Any], table: TableName) -> tuple[list[str], bool]:
    """Return the tables that inherit from a table, whose rows go with its own, and say if it has triggers or rules."""
    row = cursor.execute(_SIDE_EFFECTS, _named(table)).fetchone()
    return ([], False) if row is None else (list(row[0]), bool(row[1]))


def _named(table: TableName) -> dict[str, str]:
    return {"schema": table.schema, "name": table.name}
