create table customer (
  id integer primary key,
  name text not null unique,
  telephone text
);

create table standing_order (
  customer_id integer not null references customer (id),
  item text not null,
  weekday integer not null check (weekday between 1 and 7),
  pieces integer not null check (pieces > 0),
  -- TODO: an end date, for the summer holidays
  primary key (customer_id, item, weekday)
);
