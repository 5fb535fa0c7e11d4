CREATE TABLE customers (
    id bigserial PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> '')
);

CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    customer bigint NOT NULL REFERENCES customers,
    item text NOT NULL CHECK (item <> ''),
    quantity integer NOT NULL CHECK (quantity > 0),
    cancelled boolean NOT NULL DEFAULT false
);
